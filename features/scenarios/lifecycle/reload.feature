Feature: Reload
  A reload puts another model in the place of the one that serves, or leaves everything as it was. The
  engine that serves is stopped only when it is drained and the new model is staged.

  Background:
    Given a pool "test-pool" that serves "llama-7b-v1"
    And the catalog entry "llama-7b-v1" of "test-pool" has engine version "1.0.0"
    And the catalog entry "llama-7b-v2" of "test-pool" has engine version "2.0.0"
    And "test-pool" uses the devices "0,1"
    And the start time-out of "test-pool" is 20 seconds
    And the pool "test-pool" is ready

  @mission @RELOAD-1
  Scenario: A reload drains first, and stops nothing before the drain has ended
    Given 2 leases are active on "test-pool"
    When "test-pool" is reloaded to "llama-7b-v2" with a drain deadline of 30000 ms
    Then within 1 second "test-pool" drains
    And for 10 seconds engine 1 of "test-pool" is sent no signal
    And "test-pool" has had 1 engine
    When 1 lease on "test-pool" ends
    Then for 5 seconds engine 1 of "test-pool" is sent no signal
    When 1 lease on "test-pool" ends
    Then within 5 seconds engine 1 of "test-pool" is gone
    And engine 1 of "test-pool" was sent TERM and no KILL
    And no lease of "test-pool" was cut

  @mission @RELOAD-2
  Scenario: The provisioner stages the new model
    Given for "test-pool" the model "llama-7b-v2" is there, and takes 8 seconds to check
    And 1 lease is active on "test-pool"
    And "test-pool" is reloaded to "llama-7b-v2"
    And within 1 second "test-pool" drains
    When 1 lease on "test-pool" ends
    Then the provisioner of "test-pool" was asked for "llama-7b-v2", 1 time
    And within 10 seconds the provisioner of "test-pool" has staged "llama-7b-v2"

  @mission @RELOAD-3
  Scenario: When the new model is staged the old engine is stopped
    Given for "test-pool" the model "llama-7b-v2" is there, and takes 8 seconds to check
    And the PID file of "test-pool" names engine 1
    And "test-pool" is reloaded to "llama-7b-v2"
    And within 1 second "test-pool" drains
    When 6 seconds pass
    Then engine 1 of "test-pool" was sent no signal
    And within 5 seconds the provisioner of "test-pool" has staged "llama-7b-v2"
    And within 5 seconds engine 1 of "test-pool" is gone
    And engine 1 of "test-pool" was sent TERM and no KILL
    And within 1 second the PID file of "test-pool" does not name engine 1

  @mission @RELOAD-4
  Scenario: The new engine is a process of its own, started with the new model
    When "test-pool" is reloaded to "llama-7b-v2"
    Then within 5 seconds engine 1 of "test-pool" is gone
    And within 5 seconds engine 2 of "test-pool" runs
    And engine 2 of "test-pool" was started with "llama-7b-v2"
    And within 5 seconds "test-pool" is ready
    And the PID file of "test-pool" names engine 2
    And "test-pool" has had 2 engines

  @mission @RELOAD-5
  Scenario: The reload waits until the new engine answers its health probe with HTTP 200
    Given the engines of "test-pool" that serve "llama-7b-v2" load in 6000 ms
    When "test-pool" is reloaded to "llama-7b-v2"
    Then within 5 seconds engine 2 of "test-pool" runs
    And within 2 seconds engine 2 of "test-pool" is probed
    And engine 1 of "test-pool" was probed no more once it was stopped
    And the reload of "test-pool" has not ended
    And as long as engine 2 of "test-pool" has not answered HTTP 200, "test-pool" is not ready, within 10 seconds
    And within 1 second the reload of "test-pool" ends as completed
    And "test-pool" was not ready before engine 2 had answered a probe with HTTP 200

  @mission @RELOAD-6
  Scenario: When the probe succeeds the pool is live and ready
    Given the engines of "test-pool" that serve "llama-7b-v2" load in 3000 ms
    When "test-pool" is reloaded to "llama-7b-v2"
    Then within 5 seconds engine 2 of "test-pool" runs
    And "test-pool" is not ready
    And within 10 seconds the reload of "test-pool" ends as completed
    And the registry snapshot says that "test-pool" is live and ready
    And "test-pool" is ready

  @mission @RELOAD-7
  Scenario: When the new engine never becomes healthy the old model comes back
    Given the engines of "test-pool" that serve "llama-7b-v2" never become healthy
    And the engines of "test-pool" that serve "llama-7b-v2" ignore TERM
    When "test-pool" is reloaded to "llama-7b-v2"
    Then within 40 seconds the reload of "test-pool" is rolled back because "start timed out"
    And engine 2 of "test-pool" was started with "llama-7b-v2"
    And engine 2 of "test-pool" was sent TERM, and KILL 5000 ms later
    And engine 2 of "test-pool" is gone
    And engine 3 of "test-pool" was started with "llama-7b-v1"
    And engine 3 of "test-pool" runs
    And "test-pool" is ready
    And the PID file of "test-pool" names engine 3

  @mission @RELOAD-8
  Scenario: After a reload engine version and model are the new ones, everywhere
    Given the registry says that "test-pool" runs engine version "1.0.0" with model "llama-7b-v1"
    And within 1 second the handoff file of "test-pool" says engine version "1.0.0" and model "llama-7b-v1"
    When "test-pool" is reloaded to "llama-7b-v2"
    Then within 10 seconds the reload of "test-pool" ends as completed
    And the registry says that "test-pool" runs engine version "2.0.0" with model "llama-7b-v2"
    And within 1 second the handoff file of "test-pool" says engine version "2.0.0" and model "llama-7b-v2"

  @mission @RELOAD-9
  Scenario: Pool id and device mask survive a reload
    Given the pool id of "test-pool" is "test-pool" and its device mask "0,1"
    When "test-pool" is reloaded to "llama-7b-v2"
    Then within 10 seconds the reload of "test-pool" ends as completed
    And the pool id of "test-pool" is "test-pool" and its device mask "0,1"
    And the registry snapshot lists "test-pool", in this order
    And within 1 second the handoff file of "test-pool" names the pool, its 8 slots and its devices "0,1"

  @mission @RELOAD-10
  Scenario: A reload to the model that runs stages nothing and succeeds
    Given the provisioner of "test-pool" was asked for "llama-7b-v1", 1 time
    When "test-pool" is reloaded to "llama-7b-v1"
    Then within 1 second the reload of "test-pool" ends as completed
    And the provisioner of "test-pool" was asked for "llama-7b-v1", 1 time
    And "test-pool" has had 1 engine
    And engine 1 of "test-pool" was sent no signal
    And "test-pool" is ready
    When "test-pool" is reloaded to "llama-7b-v2"
    Then within 10 seconds the reload of "test-pool" ends as completed
    And "test-pool" has had 2 engines
    When "test-pool" is reloaded to "llama-7b-v2"
    Then within 1 second the reload of "test-pool" ends as completed
    And "test-pool" has had 2 engines

  @mission @RELOAD-11
  Scenario: A reload that failed leaves the pool as it was
    Given the engines of "test-pool" that serve "llama-7b-v2" exit with code 3, 700 ms after their start
    And the status of "test-pool" is written down
    When "test-pool" is reloaded to "llama-7b-v2"
    Then within 20 seconds the reload of "test-pool" is rolled back because "exit code 3"
    And "test-pool" is ready
    And the registry says that "test-pool" runs engine version "1.0.0" with model "llama-7b-v1"
    And every registry field of "test-pool" is as written down, except incarnation, pid, since, heartbeat, version and counters
    And within 1 second the handoff file of "test-pool" says engine version "1.0.0" and model "llama-7b-v1"
    And the crash count of "test-pool" is 0

  @mission @RELOAD-12
  Scenario: A reload that succeeded is counted and timed
    Given the metrics were scraped
    When "test-pool" is reloaded to "llama-7b-v2"
    Then within 10 seconds the reload of "test-pool" ends as completed
    And the metric "pool_manager_reload_duration_seconds_count" has gone up by 1 for
      | pool_id | test-pool |
      | outcome | success   |
    And the metric "pool_manager_reloads_total" has gone up by 1 for
      | pool_id | test-pool |
      | outcome | success   |

  @mission @RELOAD-13
  Scenario: A reload that failed is counted with its reason
    Given the engines of "test-pool" that serve "llama-7b-v2" never become healthy
    And the metrics were scraped
    When "test-pool" is reloaded to "llama-7b-v2"
    Then within 40 seconds the reload of "test-pool" is rolled back because "start timed out"
    And the metric "pool_manager_reload_failures_total" has gone up by 1 for
      | pool_id | test-pool     |
      | reason  | start_timeout |
    And the metric "pool_manager_reloads_total" has gone up by 0 for
      | pool_id | test-pool |
      | outcome | success   |

  @mission @RELOAD-14
  Scenario: A reload whose drain does not end in time is given up
    Given 2 leases are active on "test-pool"
    When "test-pool" is reloaded to "llama-7b-v2" with a drain deadline of 1000 ms
    Then within 3 seconds the reload of "test-pool" ends as timed_out
    And the last warning record of "test-pool" that says "operation ended" has
      | kind    | reload        |
      | failure | drain_timeout |
    And engine 1 of "test-pool" was sent no signal
    And "test-pool" has had 1 engine
    And "test-pool" has 2 active leases
    And "test-pool" is ready
    And within 1 second the handoff file of "test-pool" says engine version "1.0.0" and model "llama-7b-v1"
    When a client asks "test-pool" for a lease
    Then the lease is granted
