@area
Feature: Restart of the supervisor
  Engines outlive the supervisor. The next one takes them over as they are, and goes on where the last one
  was.

  Background:
    Given a pool "test-pool"

  Scenario: A ready engine is taken over and left alone
    Given the pool "test-pool" is ready
    When the supervisor is killed and started again 5 seconds later
    Then "test-pool" is ready
    And engine 1 of "test-pool" runs
    And engine 1 of "test-pool" was sent no signal
    And for 60 seconds "test-pool" stays ready
    And "test-pool" has had 1 engine
    And the PID file of "test-pool" names engine 1

  Scenario: An engine that is taken over is probed at once
    Given the pool "test-pool" is ready
    When the supervisor is killed and started again 5 seconds later
    Then engine 1 of "test-pool" is probed within 1 second of the supervisor's start

  Scenario: Leases outlive the supervisor
    Given the pool "test-pool" is ready
    And 2 leases are active on "test-pool"
    When the supervisor is killed and started again 5 seconds later
    Then "test-pool" has 2 active leases
    When 2 leases on "test-pool" end
    Then "test-pool" has 0 active leases
    And of the leases of "test-pool", 2 completed, 0 expired, 0 were cut and 0 were lost

  Scenario: An engine that died meanwhile is a crash, and is restarted
    Given the pool "test-pool" is ready
    And 1 lease is active on "test-pool"
    When the supervisor is killed
    And 1 second pass
    And the engine of "test-pool" exits with code 5
    And 1 second pass
    And the supervisor is started again
    Then within 1 second the crash count of "test-pool" is 1
    And the last error of "test-pool" is "exit code 5"
    And of the leases of "test-pool", 0 completed, 0 expired, 0 were cut and 1 were lost
    And within 10 seconds "test-pool" is ready
    And "test-pool" has had 2 engines

  Scenario: An engine that was loading is taken over and becomes ready
    Given the engines of "test-pool" load in 20000 ms
    And the pool "test-pool" is registered
    And "test-pool" is told to preload
    And within 1 second engine 1 of "test-pool" runs
    When the supervisor is killed and started again 5 seconds later
    Then within 20 seconds "test-pool" is ready
    And "test-pool" has had 1 engine
    And the preload of "test-pool" has ended as completed

  Scenario: The deadline of a drain does not move
    Given the pool "test-pool" is ready
    And 1 lease is active on "test-pool"
    And "test-pool" is drained with a deadline of 20000 ms
    When the supervisor is killed and started again 5 seconds later
    Then the status of "test-pool" says that it is draining, for 15000 ms at most
    And for 14 seconds engine 1 of "test-pool" is sent no signal
    And within 3 seconds the drain of "test-pool" ends as force_stopped
    And engine 1 of "test-pool" is gone

  Scenario: A restart that waits for its backoff still comes
    Given the backoff of "test-pool" is always 20000 ms
    And the pool "test-pool" is ready
    And the engine of "test-pool" crashes, 1 time in a row
    When the supervisor is killed and started again 5 seconds later
    Then for 14 seconds no engine of "test-pool" is started
    And within 3 seconds engine 2 of "test-pool" runs

  Scenario: An open breaker stays open
    Given the pool "test-pool" is ready
    And the engine of "test-pool" crashes, 5 times in a row
    And the time at which the general breaker of "test-pool" is to be half-open is written down
    When the supervisor is killed and started again 5 seconds later
    Then the general breaker of "test-pool" is open until the time that was written down
    And for 285 seconds no engine of "test-pool" is started
    And within 15 seconds engine 6 of "test-pool" runs

  Scenario: A pool that is down stays down
    Given the pool "test-pool" is ready
    And "test-pool" is told to stop
    And within 1 second the stop of "test-pool" ends as completed
    When the supervisor is killed and started again 5 seconds later
    Then for 60 seconds no engine of "test-pool" is started
    And the phase of "test-pool" is stopped

  Scenario: A reload whose candidate was loading goes on
    Given the engines of "test-pool" that serve "llama-7b-v2" load in 20000 ms
    And the pool "test-pool" is ready
    And "test-pool" is reloaded to "llama-7b-v2"
    And within 5 seconds engine 2 of "test-pool" runs
    When the supervisor is killed and started again 5 seconds later
    Then within 20 seconds the reload of "test-pool" ends as completed
    And engine 2 of "test-pool" runs
    And the registry says that "test-pool" runs engine version "1.0.0" with model "llama-7b-v2"

  Scenario: A fetch that was under way is asked for again
    Given for "test-pool" the model "llama-7b-v2" must be fetched, which takes 30 seconds
    And the pool "test-pool" is ready
    And "test-pool" is reloaded to "llama-7b-v2"
    And 10 seconds pass
    When the supervisor is killed and started again 5 seconds later
    Then within 40 seconds the reload of "test-pool" ends as completed
    And engine 2 of "test-pool" was started with "llama-7b-v2"

  Scenario: An engine that was being stopped is stopped to the end
    Given the engines of "test-pool" ignore TERM
    And the pool "test-pool" is ready
    And "test-pool" is told to stop
    When the supervisor is killed and started again 2 seconds later
    Then within 6 seconds the phase of "test-pool" is stopped
    And engine 1 of "test-pool" is gone
    And the PID file of "test-pool" is gone

  Scenario: Another version of the supervisor takes over what the last one knew
    Given the pool "test-pool" is ready
    And the engine of "test-pool" crashes, 2 times in a row
    And within 10 seconds "test-pool" is ready
    When the supervisor is killed and another version of it is started 5 seconds later
    Then "test-pool" is ready
    And engine 3 of "test-pool" runs
    And engine 3 of "test-pool" was sent no signal
    And the crash count of "test-pool" is 2
    And the restart count of "test-pool" is 2
    And the failure count of "test-pool" is 2
    And for 60 seconds "test-pool" stays ready

  Scenario: Under another version an open breaker stays open
    Given the pool "test-pool" is ready
    And the engine of "test-pool" crashes, 5 times in a row
    And the time at which the general breaker of "test-pool" is to be half-open is written down
    When the supervisor is killed and another version of it is started 5 seconds later
    Then the general breaker of "test-pool" is open until the time that was written down
    And for 285 seconds no engine of "test-pool" is started

  Scenario: Under another version a reload that was under way is interrupted, and the old model serves
    Given the engines of "test-pool" that serve "llama-7b-v2" load in 20000 ms
    And the pool "test-pool" is ready
    And "test-pool" is reloaded to "llama-7b-v2"
    And within 5 seconds engine 2 of "test-pool" runs
    When the supervisor is killed and another version of it is started 5 seconds later
    Then within 30 seconds "test-pool" is ready
    And the registry says that "test-pool" runs engine version "1.0.0" with model "llama-7b-v1"
    And engine 3 of "test-pool" was started with "llama-7b-v1"
    And engine 2 of "test-pool" is gone
