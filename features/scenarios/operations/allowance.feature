@area
Feature: What an operator may allow
  Allowing a restart skips backoff, window and circuits, once. Resetting the breaker closes both circuits.

  Background:
    Given a pool "test-pool"

  Scenario: A restart that waits for its backoff may come now
    Given the backoff of "test-pool" is always 30000 ms
    And the pool "test-pool" is ready
    And the engine of "test-pool" crashes, 1 time in a row
    When an operator allows a restart of "test-pool"
    Then within 1 second engine 2 of "test-pool" runs
    And within 5 seconds "test-pool" is ready

  Scenario: A restart may be allowed beforehand
    Given the backoff of "test-pool" is always 30000 ms
    And the pool "test-pool" is ready
    When an operator allows a restart of "test-pool"
    Then the next restart of "test-pool" is allowed
    When the engine of "test-pool" exits with code 1
    Then within 2 seconds engine 2 of "test-pool" runs
    And the next restart of "test-pool" is not allowed any more

  Scenario: A pool that is wanted down has no restart to allow
    Given the pool "test-pool" is registered
    When an operator asks to allow a restart of "test-pool"
    Then the command is refused: "not wanted"

  Scenario: An allowed restart that stays up closes the breaker
    Given the pool "test-pool" is ready
    And the engine of "test-pool" crashes, 5 times in a row
    And the general breaker of "test-pool" is open
    When an operator allows a restart of "test-pool"
    Then within 5 seconds "test-pool" is ready
    And the general breaker of "test-pool" is open
    And within 61 seconds the general breaker of "test-pool" is closed
    And engine 6 of "test-pool" runs

  Scenario: Resetting a breaker that is closed changes nothing
    Given the pool "test-pool" is ready
    When an operator resets the breaker of "test-pool"
    Then the general breaker of "test-pool" is closed
    And the cuda breaker of "test-pool" is closed
    And "test-pool" is ready

  Scenario: A reset leaves the restart window as it is
    Given the breaker of "test-pool" opens at 3 failures
    And the pool "test-pool" is ready
    And the engine of "test-pool" crashes, 3 times in a row
    And the restart window of "test-pool" holds 2 restarts
    When an operator resets the breaker of "test-pool"
    Then the restart window of "test-pool" holds 2 restarts
    And the crash count of "test-pool" is 3

  Scenario: A restart by an operator is refused while the breaker is open
    Given the pool "test-pool" is ready
    And the engine of "test-pool" crashes, 5 times in a row
    When "test-pool" is told to restart
    Then the command is refused: "circuit open"

  Scenario: With restart mode never a crash is final
    Given the restart mode of "test-pool" is "never"
    And the pool "test-pool" is ready
    When the engine of "test-pool" exits with code 1
    Then within 1 second the crash count of "test-pool" is 1
    And for 300 seconds no engine of "test-pool" is started
    And the phase of "test-pool" is stopped
