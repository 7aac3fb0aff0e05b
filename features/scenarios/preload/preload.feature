@area
Feature: Preload
  A preload starts an engine and says ready only when it is. What fails leaves nothing behind.

  Background:
    Given a pool "test-pool"

  Scenario: The engine is started with the model that was asked for
    Given a pool "mistral-pool" that serves "mistral-7b"
    When the pool "mistral-pool" is ready
    Then engine 1 of "mistral-pool" was started with "mistral-7b"
    And the preload of "mistral-pool" has ended as completed

  Scenario: The PID file is there before the first probe
    Given the pool "test-pool" is registered
    When "test-pool" is told to preload
    Then within 1 second engine 1 of "test-pool" runs
    And "test-pool" had a PID file before engine 1 was first probed
    And the PID file of "test-pool" names engine 1

  Scenario: Readiness is probed every 500 ms
    Given the engines of "test-pool" load in 4200 ms
    When the pool "test-pool" is ready
    Then engine 1 of "test-pool" was probed every 500 ms until it was ready

  Scenario: The handoff file comes only after health
    Given the engines of "test-pool" load in 5000 ms
    And the pool "test-pool" is registered
    When "test-pool" is told to preload
    Then for 4 seconds there is no handoff file of "test-pool"
    And within 3 seconds the handoff file of "test-pool" says engine version "1.0.0" and model "llama-7b-v1"
    And "test-pool" is ready

  Scenario: An engine that never becomes healthy is given up after 120 seconds, and cleaned up
    Given the engines of "test-pool" never become healthy
    And the pool "test-pool" is registered
    When "test-pool" is told to preload
    Then for 119 seconds the phase of "test-pool" stays starting
    And there is no handoff file of "test-pool"
    And within 3 seconds the preload of "test-pool" fails because "start timed out"
    And engine 1 of "test-pool" was sent TERM and no KILL
    And engine 1 of "test-pool" is gone
    And within 1 second the PID file of "test-pool" does not name engine 1
    And there is no handoff file of "test-pool"

  Scenario: A preload that succeeded is counted
    Given the pool "test-pool" is registered
    And the metrics were scraped
    When "test-pool" is told to preload
    Then within 5 seconds the preload of "test-pool" ends as completed
    And the metric "pool_manager_preloads_total" has gone up by 1 for
      | pool_id | test-pool |
      | outcome | completed |

  Scenario: An engine that exits before it is ready has failed, whatever its code
    Given the engines of "test-pool" exit with code 0, 300 ms after their start
    And the pool "test-pool" is registered
    When "test-pool" is told to preload
    Then within 2 seconds the preload of "test-pool" fails because "exit code 0"
    And the crash count of "test-pool" is 1
    And the restart of "test-pool" is scheduled with a base delay of 1000 ms

  Scenario: A first start that failed goes on under policy
    Given the engines of "test-pool" exit with code 1, 300 ms after their start
    And the pool "test-pool" is registered
    And "test-pool" is told to preload
    And within 2 seconds the preload of "test-pool" ends as failed
    And the engines of "test-pool" become healthy
    Then within 5 seconds "test-pool" is ready
    And "test-pool" has had 2 engines

  Scenario: An engine that refuses its command line is not started again
    Given the engines of "test-pool" exit with code 2, 300 ms after their start
    And the pool "test-pool" is registered
    When "test-pool" is told to preload
    Then within 2 seconds the preload of "test-pool" fails because "cannot run with this command line or configuration"
    And "test-pool" is held because "config"
    And "test-pool" is marked failed
    And for 300 seconds no engine of "test-pool" is started

  Scenario: A preload of a pool that is held is one more try
    Given the engines of "test-pool" exit with code 2, 300 ms after their start
    And the pool "test-pool" is registered
    And "test-pool" is told to preload
    And within 2 seconds the preload of "test-pool" ends as failed
    And the engines of "test-pool" become healthy
    When "test-pool" is told to preload
    Then within 5 seconds the preload of "test-pool" ends as completed
    And "test-pool" is ready

  Scenario: A program that is not there is looked for again
    Given no engine of "test-pool" can be made, because "there is no such program"
    And the pool "test-pool" is registered
    When "test-pool" is told to preload
    Then within 1 second the preload of "test-pool" fails because "spawn failed: program not found"
    And "test-pool" is held because "config"

  Scenario: A spawn that failed for want of memory is tried again
    Given no engine of "test-pool" can be made, because "there is no memory"
    And the pool "test-pool" is registered
    And "test-pool" is told to preload
    And within 1 second the preload of "test-pool" ends as failed
    And the last error of "test-pool" is "spawn failed: no memory, process slot or descriptor"
    And the engines of "test-pool" become healthy
    Then within 5 seconds "test-pool" is ready

  Scenario: A preload of a pool that is ready has nothing to do
    Given the pool "test-pool" is ready
    When "test-pool" is told to preload
    Then the preload of "test-pool" has ended as completed
    And "test-pool" has had 1 engine
    And "test-pool" is ready

  Scenario: A preload joins the one that runs
    Given the engines of "test-pool" load in 5000 ms
    And the pool "test-pool" is registered
    And "test-pool" is told to preload
    And 2 seconds pass
    When "test-pool" is told to preload
    Then within 5 seconds the preload of "test-pool" ends as completed
    And "test-pool" has had 1 engine

  Scenario: A preload is refused while the breaker is open
    Given the pool "test-pool" is ready
    And the engine of "test-pool" crashes, 5 times in a row
    And the general breaker of "test-pool" is open
    When "test-pool" is told to preload
    Then the command is refused: "circuit open"
    And for 200 seconds no engine of "test-pool" is started

  Scenario: Two engines load at once, the others wait for their turn
    Given 5 pools whose engines load in 8000 ms are told to preload
    Then "pool-05" waits for the host's start limiter
    And at most 2 engines load at once until 5 pools are ready, within 60 seconds
