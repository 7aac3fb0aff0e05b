@area
Feature: Leases
  A lease is one unit of work in flight. It ends in exactly one way, and the count is always right.

  Background:
    Given a pool "test-pool"

  Scenario: A lease that nobody ends expires
    Given leases of "test-pool" live for 20 seconds
    And the pool "test-pool" is ready
    And a client asks "test-pool" for a lease of the pool's own time to live
    And the lease is granted
    When 19 seconds pass
    Then "test-pool" has 1 active lease
    And within 2 seconds "test-pool" has 0 active leases
    And of the leases of "test-pool", 0 completed, 1 expired, 0 were cut and 0 were lost

  Scenario: A client may ask for another time to live
    Given the pool "test-pool" is ready
    And a client asks "test-pool" for a lease of 5 seconds
    When 4 seconds pass
    Then "test-pool" has 1 active lease
    And within 2 seconds "test-pool" has 0 active leases

  Scenario: A lease that is renewed lives on
    Given the pool "test-pool" is ready
    And a client asks "test-pool" for a lease of 5 seconds
    And 4 seconds pass
    When the lease is renewed for 10 seconds
    And 9 seconds pass
    Then "test-pool" has 1 active lease
    And within 2 seconds "test-pool" has 0 active leases

  Scenario: A renewal while draining does not outlive the drain
    Given the pool "test-pool" is ready
    And a client asks "test-pool" for a lease of 60 seconds
    When "test-pool" is drained with a deadline of 8000 ms
    Then a renewal of the lease for 600 seconds gives it 8 seconds at most

  Scenario: Ending a lease twice is harmless
    Given the pool "test-pool" is ready
    And 1 lease is active on "test-pool"
    When the oldest lease on "test-pool" is ended twice
    Then "test-pool" has 0 active leases
    And of the leases of "test-pool", 1 completed, 0 expired, 0 were cut and 0 were lost

  Scenario: A pool whose slots and queue are full says so
    Given "test-pool" has 2 slots
    And the lease queue of "test-pool" holds 0 asks, for 30 seconds each
    And the pool "test-pool" is ready
    And 2 leases are active on "test-pool"
    When a client asks "test-pool" for a lease
    Then the lease is refused: "full", to be asked again within 30 seconds
    And "test-pool" has 2 active leases

  Scenario: An ask waits for a slot
    Given "test-pool" has 1 slot
    And the pool "test-pool" is ready
    And 1 lease is active on "test-pool"
    When a client asks "test-pool" for a lease
    Then the lease waits in the queue
    When 1 lease on "test-pool" ends
    Then within 1 second ask 1 is granted
    And "test-pool" has 1 active lease

  Scenario: An ask does not wait for ever
    Given "test-pool" has 1 slot
    And the lease queue of "test-pool" holds 4 asks, for 10 seconds each
    And the pool "test-pool" is ready
    And 1 lease is active on "test-pool"
    When a client asks "test-pool" for a lease
    And 9 seconds pass
    Then ask 1 waits
    And within 2 seconds ask 1 is refused: "full"

  Scenario: Whoever is interactive goes first
    Given "test-pool" has 1 slot
    And the pool "test-pool" is ready
    And 1 lease is active on "test-pool"
    When a batch client asks "test-pool" for a lease
    And a client asks "test-pool" for a lease
    And 1 lease on "test-pool" ends
    Then within 1 second ask 2 is granted
    And ask 1 waits

  Scenario: A drain empties the queue
    Given "test-pool" has 1 slot
    And the pool "test-pool" is ready
    And 1 lease is active on "test-pool"
    When a client asks "test-pool" for a lease
    And "test-pool" is drained with a deadline of 5000 ms
    Then within 1 second ask 1 is refused: "draining"

  Scenario: A pool that is down grants nothing
    Given the pool "test-pool" is registered
    When a client asks "test-pool" for a lease
    Then the lease is refused: "not ready but stopped"

  Scenario: A pool that loads says when it may be ready
    Given the engines of "test-pool" load in 20000 ms
    And the pool "test-pool" is registered
    And "test-pool" is told to preload
    And within 1 second engine 1 of "test-pool" runs
    When a client asks "test-pool" for a lease
    Then the lease is refused: "not ready but starting", to be asked again within 120 seconds

  Scenario: During a reload the refusal says so
    Given the pool "test-pool" is ready
    And 1 lease is active on "test-pool"
    And "test-pool" is reloaded to "llama-7b-v2"
    And within 1 second "test-pool" drains
    When a client asks "test-pool" for a lease
    Then the lease is refused: "reloading", to be asked again within 120 seconds

  Scenario: A crash loses the leases of its engine
    Given the pool "test-pool" is ready
    And 3 leases are active on "test-pool"
    When the engine of "test-pool" exits with code 1
    Then within 1 second "test-pool" has 0 active leases
    And of the leases of "test-pool", 0 completed, 0 expired, 0 were cut and 3 were lost
