@area
Feature: Reloads beyond the ordinary

  Background:
    Given a pool "test-pool" that serves "llama-7b-v1"

  Scenario: A reload back brings the model that ran before
    Given the pool "test-pool" is ready
    And "test-pool" is reloaded to "llama-7b-v2"
    And within 10 seconds the reload of "test-pool" ends as completed
    And what "test-pool" served before was "llama-7b-v1"
    When "test-pool" is reloaded back
    Then within 10 seconds the reload of "test-pool" ends as completed
    And engine 3 of "test-pool" was started with "llama-7b-v1"
    And what "test-pool" served before was "llama-7b-v2"

  Scenario: Without a reload there is nothing to go back to
    Given the pool "test-pool" is ready
    When "test-pool" is reloaded back
    Then the command is refused: "nothing to go back to"

  Scenario: A reload to the same model can be forced
    Given the pool "test-pool" is ready
    When "test-pool" is reloaded to "llama-7b-v1" even if it is the same
    Then within 10 seconds the reload of "test-pool" ends as completed
    And "test-pool" has had 2 engines
    And engine 2 of "test-pool" was started with "llama-7b-v1"

  Scenario: A reload may cut what is left at its deadline
    Given the pool "test-pool" is ready
    And 2 leases are active on "test-pool"
    When "test-pool" is reloaded to "llama-7b-v2", cutting what is left after 2000 ms
    Then within 10 seconds the reload of "test-pool" ends as completed
    And of the leases of "test-pool", 0 completed, 0 expired, 2 were cut and 0 were lost
    And engine 2 of "test-pool" was started with "llama-7b-v2"

  Scenario: A pool may be set to cut at the deadline of a reload
    Given a reload of "test-pool" cuts the leases that are left at the drain deadline
    And the pool "test-pool" is ready
    And 1 lease is active on "test-pool"
    When "test-pool" is reloaded to "llama-7b-v2" with a drain deadline of 2000 ms
    Then within 10 seconds the reload of "test-pool" ends as completed
    And of the leases of "test-pool", 0 completed, 0 expired, 1 were cut and 0 were lost

  Scenario: A reload of a pool that is down starts it
    Given the pool "test-pool" is registered
    When "test-pool" is reloaded to "llama-7b-v2"
    Then within 10 seconds the reload of "test-pool" ends as completed
    And engine 1 of "test-pool" was started with "llama-7b-v2"
    And "test-pool" is ready

  Scenario: A reload is the cure for a model that opened the breaker
    Given the pool "test-pool" is ready
    And the engine of "test-pool" crashes, 5 times in a row
    And the general breaker of "test-pool" is open
    When "test-pool" is reloaded to "llama-7b-v2"
    Then within 10 seconds the reload of "test-pool" ends as completed
    And "test-pool" is ready
    And the general breaker of "test-pool" is closed
    And the failure count of "test-pool" is 0

  Scenario: When the old engine cannot come back either, the caller hears both reasons
    Given the engines of "test-pool" that serve "llama-7b-v2" exit with code 3, 300 ms after their start
    And the pool "test-pool" is ready
    And the engines of "test-pool" exit with code 4, 300 ms after their start
    When "test-pool" is reloaded to "llama-7b-v2"
    Then within 10 seconds the reload of "test-pool" fails because "exit code 3"
    And the reload of "test-pool" says that the other engine failed too, because "exit code 4"
    And the failure count of "test-pool" is 1
    And the crash count of "test-pool" is 1

  Scenario: A crash of the old engine during the drain does not fail the reload
    Given the pool "test-pool" is ready
    And 1 lease is active on "test-pool"
    And "test-pool" is reloaded to "llama-7b-v2"
    And within 1 second "test-pool" drains
    When the engine of "test-pool" exits with code 1
    Then within 10 seconds the reload of "test-pool" ends as completed
    And engine 2 of "test-pool" was started with "llama-7b-v2"
    And "test-pool" is ready
