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
  /* 0 = every allocation fails; else every one of ours, and of Jansson's so many of the first ones, then some in
   * growing steps. */
  size_t dense;
  /* Each run takes long: of our allocations, too, the later ones fail in growing steps. */
  bool slow;
};

#define SCENARIO_RUNS_MOST 20000

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

static inline size_t
scenario_without_memory_pass(const struct scenario *scenario, size_t dense, size_t growth,
                             bool both)
{
  bool reached = true, reached_both;
  size_t runs = 0;
  for (size_t nth = 1; reached; nth += nth < dense ? 1 : 1 + nth / growth)
  {
    scenario_without_memory_at(scenario, nth, false, &reached);
    if (both)
      scenario_without_memory_at(scenario, nth, true, &reached_both);
    if (++runs > SCENARIO_RUNS_MOST)
      fail_msg("%s: does not come to an end", scenario->name);
  }
  if (runs < 2)
    fail_msg("%s: nothing was made to fail", scenario->name);
  return runs;
}

/* Every allocation fails, alone and with all after it. */
static inline void
scenario_without_memory(const struct scenario *scenario)
{
  size_t runs = 0;
  /* The first time warms up what is kept for good. */
  if (!scenario->run() || !scenario->run())
    fail_msg("%s: not done though nothing failed", scenario->name);
  if (scenario->dense > 0)
  {
    no_memory_spare_json(true);
    runs += scenario_without_memory_pass(scenario, 0, scenario->slow ? 32 : SIZE_MAX, false);
    no_memory_spare_json(false);
  }
  runs += scenario_without_memory_pass(scenario, scenario->dense,
                                       scenario->dense > 0 ? 16 : SIZE_MAX, true);
  print_message("%s: %zu allocations failed\n", scenario->name, runs);
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
  for (size_t nth = 1; reached; nth++)
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
