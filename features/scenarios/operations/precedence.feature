@area
Feature: Operations
  A pool runs one operation at a time. A higher one takes over, a lower one is refused, an equal one joins
  where that makes sense. Each has an outcome that can be asked for later.

  Background:
    Given a pool "test-pool"

  Scenario: A drain takes over from a preload
    Given the engines of "test-pool" load in 20000 ms
    And the pool "test-pool" is registered
    And "test-pool" is told to preload
    And within 1 second engine 1 of "test-pool" runs
    When "test-pool" is told to drain
    Then the preload of "test-pool" was superseded by a drain
    And within 7 seconds the drain of "test-pool" ends as completed
    And engine 1 of "test-pool" is gone

  Scenario: A stop takes over from a drain
    Given the pool "test-pool" is ready
    And 1 lease is active on "test-pool"
    And "test-pool" is drained with a deadline of 60000 ms
    When "test-pool" is told to stop
    Then the drain of "test-pool" was superseded by a stop
    And within 1 second the stop of "test-pool" ends as force_stopped
    And of the leases of "test-pool", 0 completed, 0 expired, 1 were cut and 0 were lost

  Scenario: A preload does not disturb a drain
    Given the pool "test-pool" is ready
    And 1 lease is active on "test-pool"
    And "test-pool" is drained with a deadline of 60000 ms
    When "test-pool" is told to preload
    Then the command is refused: "busy with drain"
    And the status of "test-pool" says that it is draining, for 60000 ms at most

  Scenario: A restart does not disturb a reload
    Given the pool "test-pool" is ready
    And 1 lease is active on "test-pool"
    And "test-pool" is reloaded to "llama-7b-v2"
    When "test-pool" is told to restart
    Then the command is refused: "busy with reload"
    And the reload of "test-pool" has not ended

  Scenario: One reload at a time
    Given the pool "test-pool" is ready
    And 1 lease is active on "test-pool"
    And "test-pool" is reloaded to "llama-7b-v2"
    When a reload of "test-pool" to "llama-7b-v3" is asked
    Then the command is refused: "busy with reload"

  Scenario: A reload takes over from a restart
    Given the pool "test-pool" is ready
    And 1 lease is active on "test-pool"
    And "test-pool" is told to restart
    When "test-pool" is reloaded to "llama-7b-v2"
    Then the restart of "test-pool" was superseded by a reload
    When 1 lease on "test-pool" ends
    Then within 10 seconds the reload of "test-pool" ends as completed
    And engine 2 of "test-pool" was started with "llama-7b-v2"

  Scenario: A stop takes over from a reload, whose model is forgotten
    Given the pool "test-pool" is ready
    And 1 lease is active on "test-pool"
    And "test-pool" is reloaded to "llama-7b-v2"
    When "test-pool" is told to stop
    Then the reload of "test-pool" was superseded by a stop
    And within 1 second the stop of "test-pool" ends as force_stopped
    And the registry says that "test-pool" runs engine version "1.0.0" with model "llama-7b-v1"
    And for 60 seconds no engine of "test-pool" is started

  Scenario: A second drain joins the first, and the earlier deadline counts
    Given the pool "test-pool" is ready
    And 2 leases are active on "test-pool"
    And "test-pool" is drained with a deadline of 60000 ms
    When "test-pool" is drained with a deadline of 3000 ms
    Then the status of "test-pool" says that it is draining, for 3000 ms at most
    And within 6 seconds the drain of "test-pool" ends as force-stopped, naming the 2 leases that were cut

  Scenario: A drain can be taken back until the engine is signalled
    Given the pool "test-pool" is ready
    And 1 lease is active on "test-pool"
    And "test-pool" is drained with a deadline of 60000 ms
    When "test-pool" is told to undrain
    Then the command is accepted
    And the drain of "test-pool" has ended as undrained
    And "test-pool" is ready
    And engine 1 of "test-pool" was sent no signal

  Scenario: There must be a drain to take back
    Given the pool "test-pool" is ready
    When "test-pool" is told to undrain
    Then the command is refused: "not draining"

  Scenario: Once the engine is signalled it is too late
    Given the engines of "test-pool" take 3000 ms to end after TERM
    And the pool "test-pool" is ready
    And "test-pool" is told to drain
    And 1 second pass
    When "test-pool" is told to undrain
    Then the command is refused: "too late"

  Scenario: A restart that was asked for is charged to nobody
    Given the pool "test-pool" is ready
    When "test-pool" is told to restart
    Then within 10 seconds the restart of "test-pool" ends as completed
    And "test-pool" has had 2 engines
    And engine 1 of "test-pool" was sent TERM and no KILL
    And the restart count of "test-pool" is 0
    And the crash count of "test-pool" is 0
    And the restart window of "test-pool" holds 0 restarts

  Scenario: A restart gives up when its drain does not end in time
    Given the drain deadline of "test-pool" is 2000 ms
    And the pool "test-pool" is ready
    And 1 lease is active on "test-pool"
    When "test-pool" is told to restart
    Then within 4 seconds the restart of "test-pool" ends as timed_out
    And engine 1 of "test-pool" was sent no signal
    And "test-pool" is ready
    And "test-pool" has 1 active lease

  Scenario: Draining a pool that is down is done at once
    Given the pool "test-pool" is registered
    When "test-pool" is told to drain
    Then the drain of "test-pool" has ended as completed
    And the phase of "test-pool" is stopped

  Scenario: A drain during which the engine ends by itself says so, and nothing is restarted
    Given the pool "test-pool" is ready
    And 2 leases are active on "test-pool"
    And "test-pool" is drained with a deadline of 60000 ms
    When the engine of "test-pool" exits with code 1
    Then within 1 second the drain of "test-pool" ends as engine_exited
    And of the leases of "test-pool", 0 completed, 0 expired, 0 were cut and 2 were lost
    And for 60 seconds no engine of "test-pool" is started

  Scenario: A pool that was never registered is not known
    When a pool that was never registered is told to preload
    Then the command is refused: "unknown pool"

  Scenario: A shutdown drains and stops everything
    Given the pool "test-pool" is ready
    And the pool "other-pool" is ready
    And 1 lease is active on "test-pool"
    When the supervisor is told to end
    Then within 1 second "test-pool" drains
    And the supervisor has not ended
    When 1 lease on "test-pool" ends
    Then within 5 seconds the supervisor has ended
    And engine 1 of "test-pool" is gone
    And engine 1 of "other-pool" is gone
    And no lease of "test-pool" was cut

  Scenario: While the supervisor goes down nothing is begun
    Given the pool "test-pool" is ready
    And 1 lease is active on "test-pool"
    And the supervisor is told to end
    When "test-pool" is told to restart
    Then the command is refused: "shutting down"

  Scenario: A second request to end kills what is left
    Given the engines of "test-pool" ignore TERM
    And the pool "test-pool" is ready
    And 1 lease is active on "test-pool"
    And the supervisor is told to end
    And 1 second pass
    When the supervisor is told to end
    Then within 1 second the supervisor has ended
    And engine 1 of "test-pool" is gone
