@area
Feature: Staging
  A model is made present and verified before its engine is started, and before a drain when its bytes must
  be fetched.

  Background:
    Given a pool "test-pool" that serves "llama-7b-v1"

  Scenario: A model that is not there holds the pool
    Given for "test-pool" staging the model "llama-7b-v1" fails because "it is not there"
    And the pool "test-pool" is registered
    When "test-pool" is told to preload
    Then within 1 second the preload of "test-pool" fails because "model file missing or unreadable"
    And "test-pool" is held because "config"
    And "test-pool" has had 0 engines

  Scenario: A model that appears is found within 60 seconds
    Given for "test-pool" staging the model "llama-7b-v1" fails because "it is not there"
    And the pool "test-pool" is registered
    And "test-pool" is told to preload
    And within 1 second the preload of "test-pool" ends as failed
    When for "test-pool" staging the model "llama-7b-v1" works
    Then within 63 seconds "test-pool" is ready

  Scenario: A model with a wrong digest is not run
    Given for "test-pool" staging the model "llama-7b-v1" fails because "its digest is wrong"
    And the pool "test-pool" is registered
    When "test-pool" is told to preload
    Then within 1 second the preload of "test-pool" fails because "model file does not match its digest"
    And "test-pool" has had 0 engines
    And the restart of "test-pool" is scheduled with a base delay of 1000 ms

  Scenario: A fetch takes place while the old model serves
    Given for "test-pool" the model "llama-7b-v2" must be fetched, which takes 40 seconds
    And the pool "test-pool" is ready
    When "test-pool" is reloaded to "llama-7b-v2"
    Then for 39 seconds "test-pool" stays ready
    And the provisioner of "test-pool" was asked for "llama-7b-v2", 1 time
    When a client asks "test-pool" for a lease of 2 seconds
    Then the lease is granted
    And within 10 seconds the reload of "test-pool" ends as completed
    And engine 2 of "test-pool" was started with "llama-7b-v2"

  Scenario: A fetch that failed leaves the old model alone
    Given for "test-pool" the model "llama-7b-v2" must be fetched, which takes 10 seconds
    And for "test-pool" staging the model "llama-7b-v2" fails because "the server answers HTTP 404"
    And the pool "test-pool" is ready
    When "test-pool" is reloaded to "llama-7b-v2"
    Then within 11 seconds the reload of "test-pool" fails because "model could not be fetched: HTTP status 404"
    And "test-pool" is ready
    And engine 1 of "test-pool" was sent no signal
    And "test-pool" has no last error

  Scenario: A model that a first look does not find is not drained for
    Given for "test-pool" a look at the model "llama-7b-v2" fails because "it is not there"
    And the pool "test-pool" is ready
    And 1 lease is active on "test-pool"
    When "test-pool" is reloaded to "llama-7b-v2"
    Then within 1 second the reload of "test-pool" fails because "model file missing or unreadable"
    And "test-pool" is ready
    And the provisioner of "test-pool" was asked for "llama-7b-v2", 0 times

  Scenario: A check that fails during the drain brings the pool back into service
    Given for "test-pool" the model "llama-7b-v2" is there, and takes 5 seconds to check
    And for "test-pool" staging the model "llama-7b-v2" fails because "its digest is wrong"
    And the pool "test-pool" is ready
    And 1 lease is active on "test-pool"
    When "test-pool" is reloaded to "llama-7b-v2"
    Then within 1 second "test-pool" drains
    And within 6 seconds the reload of "test-pool" fails because "model file does not match its digest"
    And "test-pool" is ready
    And engine 1 of "test-pool" was sent no signal
    And "test-pool" has 1 active lease

  Scenario: A fetch that stands still is given up
    Given staging for "test-pool" may stand still for 30 seconds
    And for "test-pool" fetching the model "llama-7b-v2" stands still after 10 seconds
    And the pool "test-pool" is ready
    When "test-pool" is reloaded to "llama-7b-v2"
    Then within 45 seconds the reload of "test-pool" fails because "staging made no progress"
    And "test-pool" is ready
    And engine 1 of "test-pool" was sent no signal

  Scenario: A slow fetch that moves is not given up
    Given staging for "test-pool" may stand still for 30 seconds
    And for "test-pool" the model "llama-7b-v2" must be fetched, which takes 200 seconds
    And the pool "test-pool" is ready
    When "test-pool" is reloaded to "llama-7b-v2"
    Then for 195 seconds "test-pool" stays ready
    And within 15 seconds the reload of "test-pool" ends as completed

  Scenario: A fetch goes on where the last one was stopped
    Given for "test-pool" the model "llama-7b-v2" must be fetched, which takes 60 seconds
    And the pool "test-pool" is ready
    And "test-pool" is reloaded to "llama-7b-v2"
    And 50 seconds pass
    And "test-pool" is told to stop
    And within 1 second the stop of "test-pool" ends as completed
    When "test-pool" is reloaded to "llama-7b-v2"
    Then within 15 seconds the reload of "test-pool" ends as completed
    And the provisioner of "test-pool" was asked for "llama-7b-v2", 2 times

  Scenario: A stop during staging starts nothing
    Given for "test-pool" the model "llama-7b-v1" is there, and takes 30 seconds to check
    And the pool "test-pool" is registered
    And "test-pool" is told to preload
    And 5 seconds pass
    When "test-pool" is told to stop
    Then within 1 second the stop of "test-pool" ends as completed
    And the preload of "test-pool" was superseded by a stop
    And for 60 seconds no engine of "test-pool" is started

  Scenario: No room on the disk fails a reload, not the pool
    Given for "test-pool" the model "llama-7b-v2" must be fetched, which takes 10 seconds
    And for "test-pool" staging the model "llama-7b-v2" fails because "the disk is full"
    And the pool "test-pool" is ready
    When "test-pool" is reloaded to "llama-7b-v2"
    Then within 11 seconds the reload of "test-pool" fails because "no room on disk for the model"
    And "test-pool" is ready

  Scenario: A model that was staged is logged and timed
    Given the pool "test-pool" is ready
    And for "test-pool" the model "llama-7b-v2" must be fetched, which takes 12 seconds
    And the metrics were scraped
    When "test-pool" is reloaded to "llama-7b-v2"
    Then within 20 seconds the reload of "test-pool" ends as completed
    And the last info record of "test-pool" that says "model staged" has
      | took_ms | 12000 to 13000 |
    And the metric "pool_manager_stage_duration_seconds_count" has gone up by 1 for
      | pool_id | test-pool |
