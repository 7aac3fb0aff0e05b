@area
Feature: Process control
  An engine is asked to end, and killed with its whole tree when it does not. What cannot be killed is
  said aloud and never replaced.

  Background:
    Given a pool "test-pool"

  Scenario: An engine that ends on TERM is not killed
    Given the pool "test-pool" is ready
    When "test-pool" is told to stop
    Then within 1 second the stop of "test-pool" ends as completed
    And engine 1 of "test-pool" was sent TERM and no KILL
    And engine 1 of "test-pool" is gone
    And the PID file of "test-pool" is gone

  Scenario: An engine that takes its time within the grace is not killed
    Given the engines of "test-pool" take 4500 ms to end after TERM
    And the pool "test-pool" is ready
    When "test-pool" is told to stop
    Then within 6 seconds the stop of "test-pool" ends as completed
    And engine 1 of "test-pool" was sent TERM and no KILL

  Scenario: An engine that ignores TERM is killed after 5 seconds
    Given the engines of "test-pool" ignore TERM
    And the pool "test-pool" is ready
    When "test-pool" is told to stop
    Then within 7 seconds the stop of "test-pool" ends as completed
    And engine 1 of "test-pool" was sent TERM, and KILL 5000 ms later
    And engine 1 of "test-pool" is gone

  Scenario: An engine that outlives KILL is said aloud, and nothing takes its place
    Given the engines of "test-pool" ignore TERM and take 60 seconds to end after KILL
    And the pool "test-pool" is ready
    When "test-pool" is told to stop
    Then within 20 seconds the stop of "test-pool" ends as stuck
    And "test-pool" is held because "stuck"
    And the last error record of "test-pool" that says "engine outlived KILL" has
      | pool_id | test-pool |
    And for 30 seconds no engine of "test-pool" is started
    And engine 1 of "test-pool" was sent TERM, and KILL 5000 ms later

  Scenario: The late end of a stuck engine lifts the hold
    Given the engines of "test-pool" ignore TERM and take 60 seconds to end after KILL
    And the pool "test-pool" is ready
    And "test-pool" is told to stop
    And within 20 seconds the stop of "test-pool" ends as stuck
    When 60 seconds pass
    Then the phase of "test-pool" is stopped
    And engine 1 of "test-pool" is gone
    And the PID file of "test-pool" is gone

  Scenario: A PID file that somebody removed does no harm
    Given the pool "test-pool" is ready
    And the PID file of "test-pool" names engine 1
    And somebody removes the PID file of "test-pool"
    When "test-pool" is told to stop
    Then within 1 second the stop of "test-pool" ends as completed
    And engine 1 of "test-pool" is gone
    And the PID file of "test-pool" is gone

  Scenario: A stop cuts what is in flight
    Given the pool "test-pool" is ready
    And 2 leases are active on "test-pool"
    When "test-pool" is told to stop
    Then within 1 second the stop of "test-pool" ends as force_stopped
    And engine 1 of "test-pool" was sent TERM and no KILL
    And of the leases of "test-pool", 0 completed, 0 expired, 2 were cut and 0 were lost

  Scenario: A stop during a load ends the engine that loads
    Given the engines of "test-pool" load in 20000 ms
    And the pool "test-pool" is registered
    And "test-pool" is told to preload
    And within 1 second engine 1 of "test-pool" runs
    When "test-pool" is told to stop
    Then within 6 seconds the stop of "test-pool" ends as completed
    And engine 1 of "test-pool" is gone
    And the preload of "test-pool" was superseded by a stop
    And for 60 seconds no engine of "test-pool" is started

  Scenario: An engine that hangs is stopped and restarted
    Given the pool "test-pool" is ready
    When the engine of "test-pool" hangs
    Then within 40 seconds the crash count of "test-pool" is 1
    And the last error of "test-pool" is of class unhealthy
    And engine 1 of "test-pool" was sent TERM and no KILL
    And within 10 seconds engine 2 of "test-pool" runs

  Scenario: Two failed probes and a good one are no failure
    Given the pool "test-pool" is ready
    When the engine of "test-pool" answers probes with HTTP 500
    And 11 seconds pass
    And the engine of "test-pool" answers again
    Then for 60 seconds "test-pool" stays ready
    And 2 records of "test-pool" say "liveness probe failed"
    And the crash count of "test-pool" is 0

  Scenario: A CUDA error in the log of a live engine takes it out of service, until it is cleared
    Given the pool "test-pool" is ready
    When the engine of "test-pool" logs a CUDA error
    Then "test-pool" is suspect
    And "test-pool" is live, not ready
    And within 12 seconds "test-pool" is ready
    And "test-pool" is not suspect
    And engine 1 of "test-pool" was sent no signal
    And the crash count of "test-pool" is 0

  Scenario: A suspect engine grants no lease
    Given the pool "test-pool" is ready
    When the engine of "test-pool" logs a CUDA error
    And a client asks "test-pool" for a lease
    Then the lease is refused: "not ready", to be asked again within 10 seconds

  Scenario: An Xid on its GPUs dooms a suspect engine
    Given the pool "test-pool" is ready
    When the engine of "test-pool" logs a CUDA error
    And 3 seconds pass
    And the driver reports Xid 79 on a GPU of "test-pool"
    Then within 20 seconds the crash count of "test-pool" is 1
    And the last error of "test-pool" is of class cuda, with Xid 79
    And within 10 seconds engine 2 of "test-pool" runs

  Scenario: The end of a suspect engine is a CUDA error, whatever its code
    Given the pool "test-pool" is ready
    When the engine of "test-pool" logs a CUDA error
    And 3 seconds pass
    And the engine of "test-pool" exits with code 1
    Then within 1 second the crash count of "test-pool" is 1
    And the last error of "test-pool" is of class cuda

  Scenario: A failed probe dooms a suspect engine
    Given the pool "test-pool" is ready
    When the engine of "test-pool" hangs
    And the engine of "test-pool" logs a CUDA error
    Then within 15 seconds the crash count of "test-pool" is 1
    And the last error of "test-pool" is of class cuda

  Scenario: Where the log is trusted, a CUDA error dooms at once
    Given the log of "test-pool" never shows what its users wrote
    And the pool "test-pool" is ready
    When the engine of "test-pool" logs a CUDA error
    Then within 1 second the crash count of "test-pool" is 1
    And the last error of "test-pool" is of class cuda

  Scenario: An Xid alone takes no engine out of service
    Given the pool "test-pool" is ready
    When the driver reports Xid 31 on a GPU of "test-pool"
    Then for 60 seconds "test-pool" stays ready
    And the crash count of "test-pool" is 0
