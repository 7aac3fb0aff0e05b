Feature: Crash detection
  An engine that ends or fails without having been asked is noticed at once, and what can be found out
  about it adds up to one class with its evidence.

  Background:
    Given a pool "test-pool"

  @mission @CRASH-1
  Scenario: An engine that exits unasked has crashed
    Given the pool "test-pool" is ready
    When the engine of "test-pool" exits with code 3
    Then within 1 second the crash count of "test-pool" is 1
    And the last error of "test-pool" is "exit code 3"
    And the last warning record of "test-pool" that says "engine crashed" has
      | pool_id   | test-pool   |
      | class     | exit        |
      | exit_code | 3           |
      | reason    | exit code 3 |

  @mission @CRASH-2
  Scenario: Three failed health probes in a row are a health failure
    Given the pool "test-pool" is ready
    And the pool "other-pool" is ready
    When the engine of "other-pool" answers probes with HTTP 500
    And 11 seconds pass
    And the engine of "other-pool" answers again
    And 6 seconds pass
    And the engine of "other-pool" answers probes with HTTP 500
    And 11 seconds pass
    Then 4 records of "other-pool" say "liveness probe failed"
    And the crash count of "other-pool" is 0
    When the engine of "test-pool" answers probes with HTTP 500
    Then within 30 seconds the crash count of "test-pool" is 1
    And the last error of "test-pool" is of class unhealthy
    And 3 records of "test-pool" say "liveness probe failed"
    And the last warning record of "test-pool" that says "liveness probe failed" has
      | at     | any      |
      | answer | HTTP 500 |
      | misses | 3        |
    And the last warning record of "test-pool" that says "engine crashed" has
      | class            | unhealthy                    |
      | probes_failed_at | 3 values                     |
      | probe_answers    | HTTP 500,HTTP 500,HTTP 500   |

  @mission @CRASH-3
  Scenario: A CUDA error in the engine's log is a driver error
    Given the pool "test-pool" is ready
    When the engine of "test-pool" logs a CUDA error and aborts
    Then within 1 second the crash count of "test-pool" is 1
    And the last error of "test-pool" is of class cuda
    And the last error of "test-pool" is "CUDA error"
    And the last warning record of "test-pool" that says "engine crashed" has
      | class | cuda |

  @mission @CRASH-4
  Scenario: A crashed pool is neither live nor ready, and says why
    Given the pool "test-pool" is ready
    When the engine of "test-pool" exits with code 3
    Then within 1 second the crash count of "test-pool" is 1
    And the registry snapshot says that "test-pool" is neither live nor ready
    And the status of "test-pool" says that it is not ready
    And the last error of "test-pool" is "exit code 3"
    And within 1 second there is no handoff file of "test-pool"

  @mission @CRASH-5
  Scenario: The signal that ended an engine is named
    Given the pool "test-pool" is ready
    When the engine of "test-pool" is killed by SIGSEGV
    Then within 1 second the crash count of "test-pool" is 1
    And the last error of "test-pool" is "signal SIGSEGV"
    And the last warning record of "test-pool" that says "engine crashed" has
      | class       | signal         |
      | exit_signal | SIGSEGV        |
      | reason      | signal SIGSEGV |

  @mission @CRASH-6
  Scenario: An engine that ends with code 0 after Ready is not restarted, unless the mode says always
    Given the pool "test-pool" is ready
    And the restart mode of "eager-pool" is "always"
    And the pool "eager-pool" is ready
    When the engine of "test-pool" exits with code 0
    And the engine of "eager-pool" exits with code 0
    Then within 5 seconds engine 2 of "eager-pool" runs
    And for 600 seconds no engine of "test-pool" is started
    And "test-pool" has had 1 engine
    And the phase of "test-pool" is stopped
    And the crash count of "test-pool" is 0
    And "test-pool" has no last error
    And no restart of "test-pool" is scheduled

  @mission @CRASH-7
  Scenario: A crash is logged with all that helps to place it
    Given the catalog entry "llama-7b-v1" of "test-pool" has engine version "1.2.3"
    And the engines of "test-pool" load in 4000 ms
    And the pool "test-pool" is ready
    And 90 seconds pass
    When the engine of "test-pool" exits with code 7
    Then within 1 second the crash count of "test-pool" is 1
    And the last warning record of "test-pool" that says "engine crashed" has
      | pool_id        | test-pool |
      | engine_version | 1.2.3     |
      | uptime_seconds | 94 to 96  |
      | exit_code      | 7         |

  @mission @CRASH-8
  Scenario: The crash count outlives the supervisor
    Given the pool "test-pool" is ready
    When the engine of "test-pool" crashes, 3 times in a row
    Then the crash count of "test-pool" is 3
    When the supervisor is killed and started again 2 seconds later
    Then the crash count of "test-pool" is 3
    And within 30 seconds "test-pool" is ready
    And the crash count of "test-pool" is 3

  @mission @CRASH-9
  Scenario: The kernel's OOM killer is told apart from any other SIGKILL
    Given the pool "test-pool" is ready
    And the pool "other-pool" is ready
    When the kernel's OOM killer takes the engine of "test-pool"
    And the engine of "other-pool" is killed by SIGKILL
    Then within 1 second the crash count of "test-pool" is 1
    And within 1 second the crash count of "other-pool" is 1
    And the last error of "test-pool" is of class out_of_memory
    And the last error record of "test-pool" that says "engine crashed" has
      | class       | out_of_memory        |
      | reason      | out of memory (host) |
      | exit_signal | SIGKILL              |
      | remedy      | any                  |
    And the last error of "other-pool" is "signal SIGKILL"
    And the last warning record of "other-pool" that says "engine crashed" has
      | class       | signal  |
      | exit_signal | SIGKILL |
