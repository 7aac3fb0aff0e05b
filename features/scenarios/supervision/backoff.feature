Feature: Backoff
  After a failure the next start waits, longer with every failure in a row, up to a cap. Jitter keeps
  pools that fail together from starting together.

  Background:
    Given a pool "test-pool"

  @mission @BACKOFF-1
  Scenario: The first delay is one second
    Given the pool "test-pool" is ready
    When the engine of "test-pool" crashes, 1 time in a row
    Then the restart of "test-pool" is scheduled with a base delay of 1000 ms
    And the restart of "test-pool" is due in 900 to 1100 ms
    And within 3 seconds engine 2 of "test-pool" runs
    And engine 2 of "test-pool" was started 900 to 1100 ms after engine 1 had ended

  @mission @BACKOFF-2
  Scenario: Each failure in a row doubles the delay
    Given the breaker of "test-pool" opens at 10 failures
    And the pool "test-pool" is ready
    When the engine of "test-pool" crashes, 4 times in a row
    Then the restart of "test-pool" is scheduled with a base delay of 8000 ms
    And the base delays of "test-pool" were "1000, 2000, 4000, 8000" ms
    And within 15 seconds engine 5 of "test-pool" runs
    And engine 5 of "test-pool" was started 7200 to 8800 ms after engine 4 had ended
    When the engine of "test-pool" crashes, 1 time in a row
    Then the restart of "test-pool" is scheduled with a base delay of 16000 ms

  @mission @BACKOFF-3
  Scenario: The delay has a cap, jitter included
    Given the breaker of "test-pool" is off
    And the pool "test-pool" is ready
    When the engine of "test-pool" crashes, 10 times in a row
    Then the restart of "test-pool" is scheduled with a base delay of 60000 ms
    And the base delays of "test-pool" were "1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000, 60000" ms
    And no delay of "test-pool" was over 60000 ms
    And the restart of "test-pool" is due in 54000 to 60000 ms

  @mission @BACKOFF-4
  Scenario: Jitter spreads the restarts of pools that crash together
    Given 20 pools are ready
    And the pool "test-pool" is ready
    When the engines of all pools exit with code 1 in one instant
    Then within 1 second the crash count of "test-pool" is 1
    And within 1 second the crash count of "pool-20" is 1
    And every delay of every pool was within 10 % of its base
    And the delays of 21 pools take at least 10 values
    And some of these delays were shorter than their base, and some longer

  @mission @BACKOFF-5
  Scenario: A long stable run is a fresh start
    Given the breaker of "test-pool" opens at 10 failures
    And the pool "test-pool" is ready
    And the engines of "test-pool" load in 10000 ms
    And the engine of "test-pool" crashes, 5 times in a row
    And within 30 seconds "test-pool" is ready
    When 295 seconds pass
    Then the failure count of "test-pool" is 5
    When 6 seconds pass
    Then the failure count of "test-pool" is 0
    When the engine of "test-pool" crashes, 1 time in a row
    Then the restart of "test-pool" is scheduled with a base delay of 1000 ms
    And the failure count of "test-pool" is 1

  @mission @BACKOFF-6
  Scenario: A delay is logged with the time of the restart
    Given the pool "test-pool" is ready
    When the engine of "test-pool" crashes, 2 times in a row
    Then the last warning record of "test-pool" that says "restart scheduled" has
      | pool_id    | test-pool    |
      | backoff_ms | 1800 to 2200 |
      | base_ms    | 2000         |
      | failures   | 2            |
      | restart_at | any          |
    And the time of restart in the log of "test-pool" is when its restart is due

  @mission @BACKOFF-7
  Scenario: The delay has a floor
    Given the backoff of "test-pool" starts at 100 ms, with a floor of 500 ms
    And the pool "test-pool" is ready
    When the engine of "test-pool" crashes, 1 time in a row
    Then the last delay of "test-pool" was 500 to 550 ms
    And within 3 seconds engine 2 of "test-pool" runs
    And engine 2 of "test-pool" was started 500 to 550 ms after engine 1 had ended

  @mission @BACKOFF-8
  Scenario: After a CUDA error the delay is doubled
    Given the pool "test-pool" is ready
    When the engine of "test-pool" aborts on a CUDA error, 1 time in a row
    Then the last error of "test-pool" is of class cuda
    And the restart of "test-pool" is scheduled with a base delay of 2000 ms
    And the restart of "test-pool" is due in 1800 to 2200 ms

  @mission @BACKOFF-9
  Scenario: A scheduled restart is counted and timed, with the reason of the crash
    Given the pool "test-pool" is ready
    And the metrics were scraped
    When the engine of "test-pool" crashes, 1 time in a row
    Then the metric "pool_manager_backoff_delay_seconds_count" has gone up by 1 for
      | pool_id | test-pool |
      | reason  | exit      |
    And the metric "pool_manager_restarts_scheduled_total" has gone up by 1 for
      | pool_id | test-pool |
      | reason  | exit      |
    And the metric "pool_manager_restarts_scheduled_total" has gone up by 0 for
      | pool_id | test-pool |
      | reason  | cuda      |
