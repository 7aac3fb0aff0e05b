Feature: Drain
  A drain takes a pool out of service without dropping work: no new lease is granted, the leases in
  flight may end until the deadline, then the engine is stopped.

  Background:
    Given the pool "test-pool" is ready
    And 3 leases are active on "test-pool"

  @mission @DRAIN-1
  Scenario: A drain is visible at once, everywhere
    When "test-pool" is drained with a deadline of 5000 ms
    Then the status of "test-pool" says that it is draining, for 5000 ms at most
    And the registry snapshot says that "test-pool" is draining

  @mission @DRAIN-2
  Scenario: A draining pool grants no lease
    Given "test-pool" is drained with a deadline of 5000 ms
    When a client asks "test-pool" for a lease
    Then the lease is refused because the pool is draining
    And "test-pool" has 3 active leases

  @mission @DRAIN-3
  Scenario: A lease that ends is counted down while the drain goes on
    Given 1 lease on "test-pool" ends
    And "test-pool" is drained with a deadline of 5000 ms
    And "test-pool" has 2 active leases
    When 1 lease on "test-pool" ends
    Then "test-pool" has 1 active lease
    And the status of "test-pool" says that it is draining, for 5000 ms at most
    And the registry snapshot says that "test-pool" is draining

  @mission @DRAIN-4
  Scenario: A drain whose leases all end by themselves is completed, not forced
    Given "test-pool" is drained with a deadline of 5000 ms
    When 3 leases on "test-pool" end
    Then "test-pool" has 0 active leases
    And within 5 seconds the drain of "test-pool" ends as completed
    And no lease of "test-pool" was cut

  @mission @DRAIN-5
  Scenario: At the deadline the leases that are left are cut and the engine is stopped by force
    Given the pool "stubborn-pool" is ready, with an engine that ignores TERM
    And 2 leases are active on "stubborn-pool"
    And 1 lease on "test-pool" ends
    When "test-pool" is drained with a deadline of 1000 ms
    And "stubborn-pool" is drained with a deadline of 1000 ms
    Then within 5 seconds the drain of "test-pool" ends as force-stopped, naming the 2 leases that were cut
    And the drain of "test-pool" took at least 1000 ms
    And of the leases of "test-pool", 1 completed, 0 expired, 2 were cut and 0 were lost
    And the engine of "test-pool" is gone
    And the PID file of "test-pool" is gone
    And within 5 seconds the drain of "stubborn-pool" ends as force-stopped, naming the 2 leases that were cut
    And engine 1 of "stubborn-pool" was sent TERM, and KILL 1000 ms later
    And the engine of "stubborn-pool" is gone
    And the PID file of "stubborn-pool" is gone

  @mission @DRAIN-6
  Scenario: When the last lease ends the engine is stopped gracefully
    Given the PID file of "test-pool" names its engine
    And "test-pool" is drained with a deadline of 5000 ms
    And 2 leases on "test-pool" end
    And the engine of "test-pool" was sent no signal
    When 1 lease on "test-pool" ends
    Then within 5 seconds the drain of "test-pool" ends as completed
    And the engine of "test-pool" was sent TERM and no KILL
    And the engine of "test-pool" is gone
    And the PID file of "test-pool" is gone

  @mission @DRAIN-7
  Scenario: A drained pool is neither live nor ready
    Given the registry snapshot says that "test-pool" is live and ready
    And "test-pool" is drained with a deadline of 5000 ms
    When 3 leases on "test-pool" end
    Then within 5 seconds the drain of "test-pool" ends as completed
    And the registry snapshot says that "test-pool" is neither live nor ready
    And the status of "test-pool" says that it is not ready

  @mission @DRAIN-8
  Scenario: A pool without leases is drained at once
    Given 3 leases on "test-pool" end
    And "test-pool" has 0 active leases
    When "test-pool" is drained with a deadline of 5000 ms
    Then the drain of "test-pool" ends at once
    And the engine of "test-pool" was sent TERM and no KILL
    And the engine of "test-pool" is gone

  @mission @DRAIN-9
  Scenario: A drain is one sample of the drain-duration histogram
    Given the metrics were scraped
    And "test-pool" is drained with a deadline of 5000 ms
    And 2 seconds pass
    When 3 leases on "test-pool" end
    Then within 5 seconds the drain of "test-pool" ends as completed
    And the drain-duration histogram has 1 more sample, labelled "test-pool" and "completed"
    And the metric "pool_manager_drain_duration_seconds_bucket" has gone up by 0 for
      | pool_id | test-pool |
      | outcome | completed |
      | le      | 1.0       |

  @mission @DRAIN-10
  Scenario: Draining work in flight is worth a warning
    Given 2 leases are active on "test-pool"
    And "test-pool" has 5 active leases
    When "test-pool" is drained with a deadline of 5000 ms
    Then a warning about "test-pool" says that a drain started with 5 leases in flight
