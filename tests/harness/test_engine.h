/* Jobs for the engine in tests: datasets made from numbers, stored, given to a real attune-engine.
 *
 * On top of test_db.h. Functions fail the test when something does not work.
 */
#ifndef ATTUNE_TESTS_TEST_ENGINE_H
#define ATTUNE_TESTS_TEST_ENGINE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "sql/db.h"
#include "sql/db_job.h"

/* Writes a table of `rows` rows to `path`: numeric columns a, b, c with some values missing, a colour, a text
 * column, and the target `y`: "no"/"yes" with noise, or a number when `regression`. */
void test_engine_table(const char *path, size_t rows, uint64_t seed, int regression);

/* Stores the file as a ready dataset of the tenant; its id is the arena's. */
const char *test_engine_store(struct db_conn *conn, struct arena *arena, const char *tenant_id,
                              const char *path);

/* A job on it; `spec` is the request's JSON, completed as the server would do. */
const char *test_engine_job(struct db_conn *conn, struct arena *arena, const char *tenant_id,
                            const char *dataset_id, const char *spec);

/* Starts attune-engine of this build with its own data directory; and ends it with a signal. `more` are
 * further arguments, ended by NULL (at most 8); NULL = none. */
pid_t test_engine_start(const char *data_dir, unsigned workers, const char *const *more);
void test_engine_stop(pid_t pid, int signal);

/* Ends every engine that is still there, the hard way: after a test that failed. */
void test_engine_stop_all(void);

/* Waits until the job has ended, at most `seconds`; reads it. */
void test_engine_wait(struct db_conn *conn, struct arena *arena, const char *tenant_id,
                      const char *job_id, double seconds, struct db_job *job);

/* Process numbers, at most `most`, of the engine's descendants whose command line holds `word`, such as
 * "--trial" or "--worker"; and of all that work under `data_dir`, whoever their parent is. */
size_t test_engine_find(pid_t engine, const char *word, pid_t *pids, size_t most);
size_t test_engine_find_trials(const char *data_dir, pid_t *pids, size_t most);

#endif
