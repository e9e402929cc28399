/* attune-engine: the background engine. One program, three roles: the supervisor, its workers, and the
 * trial processes of those. */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/options.h"
#include "base/proc.h"
#include "worker/supervisor.h"
#include "worker/trial_main.h"
#include "worker/worker.h"

#define MEMORY_SHARE 0.7 /* of the machine's memory, for all trials together */

static const struct option_def option_defs[] = {
  {.name = "database",
   .kind = OPTION_TEXT,
   .argument = "CONNINFO",
   .help = "The PostgreSQL database to work for, as libpq writes it.",
   .section = "Engine"},
  {.name = "data-dir",
   .kind = OPTION_TEXT,
   .argument = "DIR",
   .help = "Where datasets are cached and trials keep their files."},
  {.name = "workers",
   .kind = OPTION_INTEGER,
   .fallback = "0",
   .min = 0,
   .max = 1024,
   .argument = "N",
   .help = "Worker processes; each runs one trial at a time on one core (0: one per core)."},
  {.name = "log-level",
   .kind = OPTION_CHOICE,
   .fallback = "info",
   .choices = "debug info warning error",
   .argument = "LEVEL",
   .help = "The least level that is logged."},
  {.name = "log-json",
   .kind = OPTION_FLAG,
   .fallback = "false",
   .help = "Log one JSON object per line."},
  {.name = "memory-per-trial",
   .kind = OPTION_BYTES,
   .fallback = "0",
   .argument = "BYTES",
   .help = "A trial that needs more memory fails (0: 70% of the machine's, shared by the workers).",
   .section = "Limits"},
  {.name = "trial-seconds",
   .kind = OPTION_NUMBER,
   .fallback = "3600",
   .min = 1,
   .max = 1e7,
   .argument = "SECONDS",
   .help = "A fit that takes longer fails."},
  {.name = "cache-bytes",
   .kind = OPTION_BYTES,
   .fallback = "20G",
   .argument = "BYTES",
   .help = "Room for cached datasets; the least recently used go first."},
  {.name = "parent-fd",
   .kind = OPTION_INTEGER,
   .fallback = "-1",
   .min = -1,
   .max = 1e6,
   .argument = "FD",
   .help = "Stop when this inherited pipe closes.",
   .section = "Started by other programs"},
  {.name = "worker",
   .kind = OPTION_FLAG,
   .fallback = "false",
   .help = "Be one worker; the supervisor starts these."},
  {.name = NULL}};

static void
set_up_log(const struct options *options)
{
  enum log_level level = LOG_LEVEL_INFO;
  log_level_parse(options_text(options, "log-level"), &level);
  log_setup("attune-engine", level, options_flag(options, "log-json"));
}

static unsigned
worker_count(const struct options *options)
{
  int64_t asked = options_integer(options, "workers");
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  return asked > 0 ? (unsigned) asked : (unsigned) (cores > 0 ? cores : 1);
}

static uint64_t
trial_memory(const struct options *options, unsigned workers)
{
  int64_t asked = options_integer(options, "memory-per-trial");
  long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  if (asked > 0)
    return (uint64_t) asked;
  if (pages <= 0 || page <= 0)
    return 0;
  return (uint64_t) ((double) pages * (double) page * MEMORY_SHARE / workers);
}

static int
run_worker(const struct options *options)
{
  unsigned workers = worker_count(options);
  struct worker_options worker = {.database = options_text(options, "database"),
                                  .data_dir = options_text(options, "data-dir"),
                                  .workers = workers,
                                  .memory_bytes = trial_memory(options, workers),
                                  .trial_seconds = options_number(options, "trial-seconds"),
                                  .cache_bytes = (uint64_t) options_integer(options, "cache-bytes"),
                                  .parent_fd = (int) options_integer(options, "parent-fd")};
  return worker_main(&worker);
}

static int
run_supervisor(const struct options *options)
{
  /* The folder is shown, so that a list of processes tells whose a worker is; the other options go through
   * the environment, where it doesn't show them. */
  char *argv[] = {"attune-engine",
                  "--worker",
                  "--parent-fd",
                  "3",
                  "--data-dir",
                  (char *) options_text(options, "data-dir"),
                  NULL};
  struct supervisor_options supervisor = {.workers = worker_count(options),
                                          .parent_fd = (int) options_integer(options, "parent-fd"),
                                          .worker_argv = argv};
  if (options_export(options) != ERR_OK)
  {
    log_error("could not hand the options on: out of memory");
    return 1;
  }
  return supervisor_main(&supervisor);
}

static int
run(const struct options *options)
{
  if (options_text(options, "database") == NULL || options_text(options, "data-dir") == NULL)
  {
    fprintf(stderr, "attune-engine: give --database and --data-dir\n");
    return 2;
  }
  set_up_log(options);
  return options_flag(options, "worker") ? run_worker(options) : run_supervisor(options);
}

int
main(int argc, char **argv)
{
  struct options *options = NULL;
  struct buf faults = {0};
  struct err_info info = {0};
  int status = 2;
  log_setup("attune-engine", LOG_LEVEL_INFO, false);
  if (proc_pin_blas_threads(argv, &info) != ERR_OK)
    log_warning("trials may use more than one core each: %s", info.text);
  if (argc == 3 && strcmp(argv[1], "--trial") == 0)
    return trial_main(argv[2]);
  if (options_read(option_defs, argc, argv, &options, &faults) != ERR_OK)
    fprintf(stderr, "%s", faults.data != NULL ? faults.data : "out of memory\n");
  else
    switch (options_action(options))
    {
    case OPTIONS_HELP:
      options_print_help(option_defs, "attune-engine",
                         "The background engine: trains the trials of tuning jobs.");
      status = 0;
      break;
    case OPTIONS_VERSION:
      printf("attune-engine %s\n", PACKAGE_VERSION);
      status = 0;
      break;
    case OPTIONS_RUN:
#ifdef ATTUNE_BROKEN_LEASE
      log_error(
        "BUILT TO FAIL: this engine records results without a lease; it is for a test alone");
#endif
      status = run(options);
      break;
    }
  options_free(options);
  buf_free(&faults);
  return status;
}
