@area
Feature: Registry
  What readers see of the pools of a host, and how pools come and go.

  Scenario: A pool that is registered is known, and down
    When the pool "test-pool" is registered
    Then the phase of "test-pool" is stopped
    And the registry snapshot says that "test-pool" is neither live nor ready
    And "test-pool" has had 0 engines
    And "test-pool" has no last error

  Scenario: A pool may be started as soon as it is registered
    Given "test-pool" is started as soon as it is registered
    When the pool "test-pool" is registered
    Then within 5 seconds "test-pool" is ready

  Scenario: A pool whose engine loads is live, not ready
    Given a pool "test-pool"
    And the engines of "test-pool" load in 5000 ms
    And the pool "test-pool" is registered
    When "test-pool" is told to preload
    Then within 1 second engine 1 of "test-pool" runs
    And for 4 seconds the phase of "test-pool" stays starting
    And "test-pool" is live, not ready
    And within 3 seconds "test-pool" is ready

  Scenario: The snapshot is in the order of names
    Given the pool "zebra" is registered
    And the pool "alpha" is registered
    And the pool "mid" is registered
    Then the registry snapshot lists "alpha, mid, zebra", in this order

  Scenario: Slots and device mask are shown as they were given
    Given "test-pool" uses the devices "1,2"
    And "test-pool" has 3 slots
    When the pool "test-pool" is registered
    Then "test-pool" has 3 slots and the device mask "1,2"

  Scenario: The last error is still shown when the pool is up again
    Given the pool "test-pool" is ready
    When the engine of "test-pool" exits with code 9
    Then within 1 second the crash count of "test-pool" is 1
    And within 10 seconds "test-pool" is ready
    And the last error of "test-pool" is "exit code 9"

  Scenario: A name belongs to one pool
    Given the pool "test-pool" is registered
    When the pool "test-pool" is offered for registration
    Then the command is refused: "name taken"
    And the registry snapshot lists "test-pool", in this order

  Scenario: A port belongs to one pool
    Given "test-pool" listens on port 9000
    And the pool "test-pool" is registered
    And "other-pool" listens on port 9000
    When the pool "other-pool" is offered for registration
    Then the command is refused: "port 9000 taken"
    And there is no pool "other-pool"

  Scenario: A pool is drained, then forgotten
    Given the pool "test-pool" is ready
    And 1 lease is active on "test-pool"
    When "test-pool" is told to deregister
    Then within 1 second "test-pool" drains
    And for 5 seconds engine 1 of "test-pool" is sent no signal
    When 1 lease on "test-pool" ends
    Then within 5 seconds there is no pool "test-pool"
    And engine 1 of "test-pool" is gone
    And within 1 second the PID file of "test-pool" is gone

  Scenario: A name that was forgotten may be used again
    Given the pool "test-pool" is ready
    And "test-pool" is told to deregister
    And within 5 seconds there is no pool "test-pool"
    When the pool "test-pool" is offered for registration
    Then the command is accepted
    And the phase of "test-pool" is stopped
    And the crash count of "test-pool" is 0

  Scenario: A handoff file does without what nobody stated
    Given a pool "test-pool"
    And the catalog entry "llama-7b-v1" of "test-pool" states no engine version
    When the pool "test-pool" is ready
    Then within 1 second the handoff file of "test-pool" says model "llama-7b-v1" and no engine version
    And within 1 second the handoff file of "test-pool" names the pool, its 8 slots and its devices "0"

  Scenario: A draining pool has no handoff file, and gets it back when the drain is taken back
    Given the pool "test-pool" is ready
    And 1 lease is active on "test-pool"
    And within 1 second the handoff file of "test-pool" says engine version "1.0.0" and model "llama-7b-v1"
    When "test-pool" is drained with a deadline of 30000 ms
    Then within 1 second there is no handoff file of "test-pool"
    When "test-pool" is told to undrain
    Then within 1 second the handoff file of "test-pool" says engine version "1.0.0" and model "llama-7b-v1"
    And "test-pool" is ready
