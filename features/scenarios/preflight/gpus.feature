@area
Feature: Preflight
  Before an engine is started its GPUs and its port must be there and free. What is wrong with the host is
  shown, looked at again, and charged to nobody.

  Background:
    Given a pool "test-pool"

  Scenario: A pool whose GPUs are there is started
    Given the host has the GPUs "0,1"
    And "test-pool" uses the devices "0,1"
    When the pool "test-pool" is ready
    Then "test-pool" has had 1 engine

  Scenario: A pool whose GPU is not there waits for it, and is charged nothing
    Given the host has the GPUs ""
    And the pool "test-pool" is registered
    When "test-pool" is told to preload
    Then within 1 second the preload of "test-pool" fails because "host problem: no GPU found"
    And within 1 second "test-pool" waits because of a host problem
    And for 120 seconds no engine of "test-pool" is started
    And the crash count of "test-pool" is 0
    And the failure count of "test-pool" is 0

  Scenario: A GPU that comes back is found within 30 seconds
    Given the host has the GPUs ""
    And the pool "test-pool" is registered
    And "test-pool" is told to preload
    And within 1 second "test-pool" waits because of a host problem
    When the host has the GPUs "0"
    Then within 33 seconds "test-pool" is ready

  Scenario: Every GPU of the mask must be there
    Given the host has the GPUs "0,1,2,3"
    And "test-pool" uses the devices "3,4"
    And the pool "test-pool" is registered
    When "test-pool" is told to preload
    Then within 1 second the preload of "test-pool" fails because "host problem: no GPU found"
    And "test-pool" has had 0 engines

  Scenario: A pool without a mask needs no GPU
    Given the host has the GPUs ""
    And "test-pool" uses the devices ""
    When the pool "test-pool" is ready
    Then "test-pool" has had 1 engine

  Scenario: A driver that does not fit its library is the host's fault
    Given the GPU driver does not fit its library
    And the pool "test-pool" is registered
    When "test-pool" is told to preload
    Then within 1 second the preload of "test-pool" fails because "host problem: driver and library do not match"
    And the crash count of "test-pool" is 0
    When the GPU driver fits its library again
    Then within 33 seconds "test-pool" is ready

  Scenario: A port that another process has is the host's problem
    Given "test-pool" listens on port 9000
    And another process listens on port 9000
    And the pool "test-pool" is registered
    When "test-pool" is told to preload
    Then within 1 second "test-pool" waits because of a host problem
    And the last error record of "test-pool" that says "a process that is not ours has the port" has
      | port | 9000 |
    And for 60 seconds no engine of "test-pool" is started
    When the other process leaves port 9000
    Then within 33 seconds "test-pool" is ready

  Scenario: The next engine waits until the GPU memory of the last one is free
    Given the GPU memory of engines of "test-pool" stays taken for 4000 ms after their end
    And the pool "test-pool" is ready
    When the engine of "test-pool" exits with code 1
    Then within 10 seconds engine 2 of "test-pool" runs
    And engine 2 of "test-pool" was started 4000 to 4300 ms after engine 1 had ended

  Scenario: GPU memory that is not freed in 30 seconds holds the pool until it is
    Given the GPU memory of engines of "test-pool" stays taken for 50000 ms after their end
    And the pool "test-pool" is ready
    When the engine of "test-pool" exits with code 1
    Then within 35 seconds the phase of "test-pool" is held
    And "test-pool" is held because "not_released"
    And "test-pool" is marked failed
    And within 60 seconds "test-pool" is ready
