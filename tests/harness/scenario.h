/* Whole pieces of work done again and again while one thing after the other fails: an allocation, or a system
 * call. Nothing may crash, be lost, or be called done that is not. Header only; link no_memory.c and call_fails.c.
 */
#ifndef ATTUNE_TESTS_SCENARIO_H
#define ATTUNE_TESTS_SCENARIO_H

#include <unistd.h>

#include "tests/harness/call_fails.h"
#include "tests/harness/no_memory.h"
#include "tests/harness/test_support.h"

/* Does a whole piece of work, gives everything back, and says whether the work was done. */
struct scenario
{
  const char *name;
  bool (*run)(void);
  /* What is only shown (warnings, notes, importance) may be missing without memory. */
  bool may_be_done;
  /* So many of the first failures one by one, later ones in growing steps; 0 = every one. */
  size_t dense;
};

#define SCENARIO_RUNS_MOST 20000

static inline size_t
scenario_next(const struct scenario *scenario, size_t nth)
{
  return scenario->dense == 0 || nth < scenario->dense ? nth + 1 : nth + 1 + nth / 16;
}

static inline void
scenario_without_memory_at(const struct scenario *scenario, size_t nth, bool and_after,
                           bool *reached)
{
  size_t before = 0, after = 1;
  /* What a library keeps for good it takes once; what is lost is lost each time. */
  for (size_t attempt = 0; attempt < 3 && after > before; attempt++)
  {
    before = no_memory_in_use();
    no_memory_from(nth, and_after);
    bool done = scenario->run();
    *reached = no_memory_end();
    after = no_memory_in_use();
    if (!*reached && !done)
      fail_msg("%s: not done though nothing failed", scenario->name);
    if (*reached && and_after && done && !scenario->may_be_done)
      fail_msg("%s: done though no memory was left from allocation %zu on", scenario->name, nth);
  }
  if (after > before)
    fail_msg("%s: %zu bytes lost when allocation %zu fails", scenario->name, after - before, nth);
}

/* Every allocation fails, alone and with all after it. */
static inline void
scenario_without_memory(const struct scenario *scenario)
{
  bool reached = true;
  size_t runs = 0;
  /* The first time warms up what is kept for good. */
  if (!scenario->run() || !scenario->run())
    fail_msg("%s: not done though nothing failed", scenario->name);
  for (size_t nth = 1; reached; nth = scenario_next(scenario, nth))
  {
    bool both;
    scenario_without_memory_at(scenario, nth, false, &reached);
    scenario_without_memory_at(scenario, nth, true, &both);
    if (++runs > SCENARIO_RUNS_MOST)
      fail_msg("%s: does not come to an end", scenario->name);
  }
  assert_true(runs > 1); /* something was made to fail */
}

/* Freed memory that a thread keeps for itself counts as in use: keep none. The C library reads that at start. */
static inline void
scenario_restart_without_cache(char **argv)
{
  if (getenv("GLIBC_TUNABLES") != NULL)
    return;
  setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", 1);
  execv("/proc/self/exe", argv);
}

/* Every system call fails: the work is not done then (unless it may be) and no descriptor stays open. Reads and
 * writes that are interrupted or do only half must not matter at all. */
static inline void
scenario_with_failing_calls(const struct scenario *scenario, enum call_fault fault, bool and_after)
{
  static const char *const names[] = {"fails", "finds no room", "is interrupted", "does half"};
  bool harmless = fault == CALL_INTERRUPTED || fault == CALL_SHORT;
  bool reached = true;
  if (!scenario->run())
    fail_msg("%s: not done though nothing failed", scenario->name);
  size_t open = call_fails_open();
  for (size_t nth = 1; reached; nth = scenario_next(scenario, nth))
  {
    call_fails_from(fault, nth, and_after);
    bool done = scenario->run();
    reached = call_fails_end();
    if (!done && (harmless || !reached))
      fail_msg("%s: not done when call %zu %s", scenario->name, nth, names[fault]);
    if (done && reached && !harmless && !scenario->may_be_done)
      fail_msg("%s: done though call %zu %s", scenario->name, nth, names[fault]);
    if (call_fails_open() != open)
      fail_msg("%s: a descriptor stays open when call %zu %s", scenario->name, nth, names[fault]);
    if (nth > SCENARIO_RUNS_MOST)
      fail_msg("%s: does not come to an end", scenario->name);
  }
}

/* All kinds of fault. */
static inline void
scenario_with_all_call_faults(const struct scenario *scenario)
{
  scenario_with_failing_calls(scenario, CALL_FAILS, false);
  scenario_with_failing_calls(scenario, CALL_FAILS, true);
  scenario_with_failing_calls(scenario, CALL_FULL, true);
  scenario_with_failing_calls(scenario, CALL_INTERRUPTED, false);
  scenario_with_failing_calls(scenario, CALL_SHORT, false);
  scenario_with_failing_calls(scenario, CALL_SHORT, true);
}

#endif
