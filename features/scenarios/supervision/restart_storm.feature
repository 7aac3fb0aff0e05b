Feature: Restart storms
  Automatic restarts are counted in a window that slides. Too many of them wait, far too many in a short
  time are a storm, which stops them.

  Background:
    Given a pool "test-pool"

  @mission @STORM-1
  Scenario: The restart count outlives the supervisor
    Given the pool "test-pool" is ready
    When "test-pool" is restarted automatically, 4 times in a row
    Then the restart count of "test-pool" is 4
    When the supervisor is killed and started again 2 seconds later
    Then the restart count of "test-pool" is 4
    And "test-pool" has had 5 engines

  @mission @STORM-2
  Scenario: A very long stable run empties the window
    Given the breaker of "test-pool" opens at 10 failures
    And the pool "test-pool" is ready
    And "test-pool" is restarted automatically, 5 times in a row
    And the restart count of "test-pool" is 5
    When 601 seconds pass
    Then the restart count of "test-pool" is 0
    And the restart window of "test-pool" holds 0 restarts
    And the crash count of "test-pool" is 5

  @mission @STORM-3
  Scenario: Frequent restarts are worth a warning
    Given the breaker of "test-pool" is off
    And the backoff of "test-pool" is always 1000 ms
    And the pool "test-pool" is ready
    When "test-pool" is restarted automatically, 5 times in a row
    Then 0 records of "test-pool" say "restarts are frequent"
    When "test-pool" is restarted automatically, 1 time in a row
    Then the last warning record of "test-pool" that says "restarts are frequent" has
      | pool_id        | test-pool |
      | restarts       | 6         |
      | window_seconds | 60        |

  @mission @STORM-4
  Scenario: When the window is full the next restart waits for room
    Given the breaker of "test-pool" is off
    And restart storms of "test-pool" are not looked for
    And the backoff of "test-pool" is always 1000 ms
    And the pool "test-pool" is ready
    And "test-pool" is restarted automatically, 10 times in a row
    And the restart window of "test-pool" holds 10 restarts
    When the engine of "test-pool" crashes, 1 time in a row
    Then the next restart of "test-pool" waits until the window has room, 60 seconds after its first restart
    And the last warning record of "test-pool" that says "restart rate limited" has
      | pool_id        | test-pool |
      | restarts       | 10        |
      | window_seconds | 60        |
    And for 20 seconds no engine of "test-pool" is started
    And within 40 seconds engine 12 of "test-pool" runs
    And the restart window of "test-pool" holds 10 restarts

  @mission @STORM-5
  Scenario: The window slides
    Given the breaker of "test-pool" is off
    And the backoff of "test-pool" is always 1000 ms
    And the pool "test-pool" is ready
    And "test-pool" is restarted automatically, 8 times in a row
    And 30 seconds pass
    When "test-pool" is restarted automatically, 2 times in a row
    Then the restart window of "test-pool" holds 10 restarts
    And no restart of "test-pool" was held back
    And "test-pool" has been through 0 restart storms
    When 20 seconds pass
    And "test-pool" is restarted automatically, 4 times in a row
    Then no restart of "test-pool" was held back
    And every restart of "test-pool" came 1000 to 1100 ms after the crash before it

  @mission @STORM-6
  Scenario: Ten restarts in thirty seconds are a storm
    Given the breaker of "test-pool" is off
    And the backoff of "test-pool" is always 500 ms
    And the pool "test-pool" is ready
    When "test-pool" is restarted automatically, 9 times in a row
    Then the general breaker of "test-pool" is closed
    When "test-pool" is restarted automatically, 1 time in a row
    Then the general breaker of "test-pool" is open
    And engine 11 of "test-pool" runs
    And engine 11 of "test-pool" was sent no signal
    And "test-pool" is ready
    When 40 seconds pass
    And the engine of "test-pool" exits with code 1
    Then within 1 second the crash count of "test-pool" is 11
    And for 200 seconds no engine of "test-pool" is started
    And within 65 seconds the general breaker of "test-pool" is half-open
    And the last error record of "test-pool" that says "no restart: a circuit is open" has
      | circuit | general |

  @mission @STORM-7
  Scenario: A storm raises an alert
    Given the breaker of "test-pool" is off
    And the backoff of "test-pool" is always 500 ms
    And the pool "test-pool" is ready
    When "test-pool" is restarted automatically, 10 times in a row
    Then 1 record of "test-pool" says "storm began"
    And the last error record of "test-pool" that says "storm began" has
      | pool_id       | test-pool     |
      | storm         | restart_storm |
      | count         | 10            |
      | restart_count | 10            |
      | alert         | true          |

  @mission @STORM-8
  Scenario: A storm is counted, and the rate of restarts is a gauge
    Given the breaker of "test-pool" is off
    And the backoff of "test-pool" is always 500 ms
    And the pool "test-pool" is ready
    And the metrics were scraped
    When "test-pool" is restarted automatically, 10 times in a row
    Then the metric "pool_manager_restart_storms_total" has gone up by 1 for
      | pool_id | test-pool     |
      | storm   | restart_storm |
    And the metric "pool_manager_restarts_in_window" reads 10 for
      | pool_id | test-pool |

  @mission @STORM-9
  Scenario: Five out-of-memory ends in a minute are a storm of their own
    Given the breaker of "test-pool" opens at 10 failures
    And the pool "test-pool" is ready
    When the kernel's OOM killer takes the engine of "test-pool", 5 times in a row
    Then "test-pool" has been through 1 out-of-memory storm
    And the last error record of "test-pool" that says "storm began" has
      | pool_id | test-pool |
      | storm   | oom_storm |
      | count   | 5         |
      | remedy  | any       |
    When the kernel's OOM killer takes the engine of "test-pool", 1 time in a row
    Then "test-pool" has been through 1 out-of-memory storm

  @mission @STORM-10
  Scenario: An operator may allow one restart through a storm
    Given the breaker of "test-pool" is off
    And the backoff of "test-pool" is always 500 ms
    And the pool "test-pool" is ready
    And "test-pool" is restarted automatically, 10 times in a row
    And the engine of "test-pool" crashes, 1 time in a row
    And the general breaker of "test-pool" is open
    And "test-pool" has had 11 engines
    When an operator allows a restart of "test-pool"
    Then within 5 seconds engine 12 of "test-pool" runs
    And within 5 seconds "test-pool" is ready
    And the restart count of "test-pool" is 11
    And the restart window of "test-pool" holds 10 restarts
    And the failure count of "test-pool" is 11
    And "test-pool" has been through 1 restart storm
    When the engine of "test-pool" exits with code 1
    Then within 1 second the crash count of "test-pool" is 12
    And for 200 seconds no engine of "test-pool" is started
    And "test-pool" has had 12 engines
    And "test-pool" has been through 1 restart storm
