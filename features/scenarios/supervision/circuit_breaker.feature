Feature: Circuit breaker
  After too many failures in a row nothing is started for a while; then one trial decides. Errors of the
  CUDA driver have a circuit of their own.

  Background:
    Given a pool "test-pool"

  @mission @BREAKER-1
  Scenario: The fifth failure in a row opens the breaker
    Given the pool "test-pool" is ready
    When the engine of "test-pool" crashes, 4 times in a row
    Then the general breaker of "test-pool" is closed
    And "test-pool" is not marked failed
    When the engine of "test-pool" crashes, 1 time in a row
    Then the general breaker of "test-pool" is open
    And "test-pool" is marked failed
    And for 295 seconds no engine of "test-pool" is started
    And 4 restarts of "test-pool" were scheduled

  @mission @BREAKER-2
  Scenario: A crash while the breaker is open changes nothing
    Given the pool "test-pool" is ready
    And the engine of "test-pool" crashes, 5 times in a row
    And the time at which the general breaker of "test-pool" is to be half-open is written down
    And an operator allows a restart of "test-pool"
    And within 5 seconds "test-pool" is ready
    And 4 restarts of "test-pool" were scheduled
    When the engine of "test-pool" exits with code 1
    Then within 1 second the crash count of "test-pool" is 6
    And 4 restarts of "test-pool" were scheduled
    And the last error record of "test-pool" that says "no restart: a circuit is open" has
      | pool_id | test-pool   |
      | circuit | general     |
      | reason  | exit code 1 |
    And "test-pool" is marked failed
    And the general breaker of "test-pool" is open until the time that was written down
    And for 200 seconds no engine of "test-pool" is started
    And for 60 seconds "test-pool" stays marked failed

  @mission @BREAKER-3
  Scenario: After 300 seconds the breaker is half-open and lets one trial through
    Given the pool "test-pool" is ready
    And the engine of "test-pool" crashes, 5 times in a row
    And the general breaker of "test-pool" has just opened, for 300 seconds
    And the engines of "test-pool" load in 4000 ms
    When 299 seconds pass
    Then the general breaker of "test-pool" is open
    And "test-pool" has had 5 engines
    And within 2 seconds the general breaker of "test-pool" is half-open
    And within 2 seconds engine 6 of "test-pool" runs

  @mission @BREAKER-4
  Scenario: While half-open there is exactly one trial
    Given the pool "test-pool" is ready
    And the engine of "test-pool" crashes, 5 times in a row
    When within 301 seconds the general breaker of "test-pool" is half-open
    Then within 10 seconds engine 6 of "test-pool" runs
    And within 10 seconds "test-pool" is ready
    And for 58 seconds the general breaker of "test-pool" stays half-open
    And "test-pool" has had 6 engines
    And engine 6 of "test-pool" runs

  @mission @BREAKER-5
  Scenario: A trial that is stable for 60 seconds closes the breaker
    Given the pool "test-pool" is ready
    And the engine of "test-pool" crashes, 5 times in a row
    And within 301 seconds the general breaker of "test-pool" is half-open
    And within 10 seconds "test-pool" is ready
    When 59 seconds pass
    Then the general breaker of "test-pool" is half-open
    And within 2 seconds the general breaker of "test-pool" is closed
    And "test-pool" is not marked failed
    When the engine of "test-pool" exits with code 1
    Then within 1 second the crash count of "test-pool" is 6
    And the general breaker of "test-pool" is closed
    And within 70 seconds engine 7 of "test-pool" runs

  @mission @BREAKER-6
  Scenario: A trial that crashes opens the breaker for twice as long
    Given the pool "test-pool" is ready
    And the engine of "test-pool" crashes, 5 times in a row
    And within 301 seconds the general breaker of "test-pool" is half-open
    And within 10 seconds "test-pool" is ready
    When the engine of "test-pool" exits with code 1
    Then within 1 second the crash count of "test-pool" is 6
    And the general breaker of "test-pool" has just opened, for 600 seconds
    And for 595 seconds no engine of "test-pool" is started
    And within 10 seconds the general breaker of "test-pool" is half-open
    And within 10 seconds engine 7 of "test-pool" runs

  @mission @BREAKER-7
  Scenario: Every change of the breaker is logged
    Given the pool "test-pool" is ready
    When the engine of "test-pool" crashes, 5 times in a row
    Then the last error record of "test-pool" that says "circuit changed" has
      | pool_id  | test-pool |
      | circuit  | general   |
      | from     | closed    |
      | to       | open      |
      | failures | 5         |
    And within 301 seconds the general breaker of "test-pool" is half-open
    And within 70 seconds the general breaker of "test-pool" is closed
    And the log has the changes of the general breaker of "test-pool": "closed to open at 5 failures, open to half_open at 5 failures, half_open to closed at 0 failures"

  @mission @BREAKER-8
  Scenario: An open breaker is counted, and its state is a gauge
    Given the pool "test-pool" is ready
    And the metrics were scraped
    And the metric "pool_manager_breaker_state" reads 0 for
      | pool_id | test-pool |
      | circuit | general   |
    When the engine of "test-pool" crashes, 5 times in a row
    Then the metric "pool_manager_breaker_opened_total" has gone up by 1 for
      | pool_id | test-pool |
      | circuit | general   |
    And the metric "pool_manager_breaker_state" reads 1 for
      | pool_id | test-pool |
      | circuit | general   |
    And the metric "pool_manager_breaker_state" reads 0 for
      | pool_id | test-pool |
      | circuit | cuda      |
    And within 301 seconds the general breaker of "test-pool" is half-open
    And the metric "pool_manager_breaker_state" reads 2 for
      | pool_id | test-pool |
      | circuit | general   |

  @mission @BREAKER-9
  Scenario: An operator resets the breaker
    Given the pool "test-pool" is ready
    And the engine of "test-pool" crashes, 5 times in a row
    And the general breaker of "test-pool" is open
    When an operator resets the breaker of "test-pool"
    Then the general breaker of "test-pool" is closed
    And the failure count of "test-pool" is 0
    And "test-pool" is not marked failed
    And within 30 seconds "test-pool" is ready
    When the engine of "test-pool" crashes, 1 time in a row
    Then the restart of "test-pool" is scheduled with a base delay of 1000 ms
    And within 3 seconds engine 7 of "test-pool" runs
    When the engine of "test-pool" crashes, 3 times in a row
    And an operator resets the breaker of "test-pool"
    And the engine of "test-pool" crashes, 4 times in a row
    Then the general breaker of "test-pool" is closed

  @mission @BREAKER-10
  Scenario: The threshold can be set
    Given the breaker of "test-pool" opens at 3 failures
    And the pool "test-pool" is ready
    When the engine of "test-pool" crashes, 2 times in a row
    Then the general breaker of "test-pool" is closed
    And within 30 seconds "test-pool" is ready
    When 301 seconds pass
    And the engine of "test-pool" crashes, 2 times in a row
    Then the general breaker of "test-pool" is closed
    When the engine of "test-pool" crashes, 1 time in a row
    Then the general breaker of "test-pool" is open
    And for 295 seconds no engine of "test-pool" is started

  @mission @BREAKER-11
  Scenario: CUDA errors open a breaker of their own, and a restart needs both closed
    Given the pool "test-pool" is ready
    When the engine of "test-pool" aborts on a CUDA error, 5 times in a row
    Then the cuda breaker of "test-pool" is open
    And the general breaker of "test-pool" is closed
    And "test-pool" is marked failed
    And for 295 seconds no engine of "test-pool" is started
    And the general breaker of "test-pool" is closed
    And within 10 seconds the cuda breaker of "test-pool" is half-open
    And within 10 seconds engine 6 of "test-pool" runs
    And within 10 seconds "test-pool" is ready
    When the engine of "test-pool" exits with code 1
    Then within 1 second the crash count of "test-pool" is 6
    And the cuda breaker of "test-pool" has just opened, for 600 seconds
