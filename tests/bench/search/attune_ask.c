/* Attune's search behind a line protocol, so that a bench can ask it as it asks any other engine.
 *
 * Lines on standard input; each is answered with one line of JSON:
 *   {"space": {…}, "method": "bayes", "seed": 1, "expected_trials": 50}   a new search  → {"ready": true}
 *   ask ID           → {"params": {…}, "us": time} or {"exhausted": true}
 *   tell ID VALUE    → {"us": time}
 *   fail ID          → {"us": time}; the trial gave no value and is bad
 * `us` is the time spent in the search's own function, in microseconds; reading and writing lines is not
 * in it. A fault is answered {"error": "…"} and leaves the search as it was.
 */
#include <config.h>

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/space_json.h"
#include "search/search.h"

#define JSON_DEPTH_MAX 16

struct session
{
  struct arena *arena; /* of the space */
  struct space *space;
  struct search *search;
  double *point;
};

static double
now_us(void)
{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return 1e6 * (double) t.tv_sec + 1e-3 * (double) t.tv_nsec;
}

/* Prints and frees `answer`. */
static void
answer_json(json_t *answer)
{
  struct buf text = {0};
  json_write(answer, &text);
  if (!text.failed)
    fwrite(text.data, 1, text.length, stdout);
  putchar('\n');
  fflush(stdout);
  buf_free(&text);
  json_decref(answer);
}

static void
answer_error(const char *text)
{
  answer_json(json_pack("{s:s}", "error", text));
}

static void
answer_time(double us)
{
  answer_json(json_pack("{s:f}", "us", us));
}

static void
session_end(struct session *session)
{
  search_free(session->search);
  arena_free(session->arena);
  free(session->point);
  *session = (struct session){0};
}

static enum err
session_begin(struct session *session, const char *line, struct err_info *info)
{
  json_t *head = NULL;
  struct json_faults faults;
  session_end(session);
  session->arena = arena_new(0);
  if (!session->arena)
    return err_set(info, ERR_MEMORY, "out of memory");
  enum err err = json_parse(line, strlen(line), JSON_DEPTH_MAX, &head, info);
  if (err)
    goto done;
  json_faults_init(&faults, session->arena);
  err = space_from_json(json_object_get(head, "space"), "/space", session->arena, &session->space,
                        &faults);
  if (err)
  {
    err_set(info, err, "%s: %s", faults.kept ? faults.items[0].pointer : "/space",
            faults.kept ? faults.items[0].message : "can't be read");
    goto done;
  }
  session->point = calloc(session->space->count + 1, sizeof *session->point);
  if (!session->point)
  {
    err = err_set(info, ERR_MEMORY, "out of memory");
    goto done;
  }
  struct search_spec spec = {.method = json_get_string(head, "method", "bayes"),
                             .space = session->space,
                             .seed = (uint64_t) json_get_integer(head, "seed", 0),
                             .expected_trials =
                               (size_t) json_get_integer(head, "expected_trials", 0)};
  err = search_new(&spec, &session->search, info);
done:
  json_decref(head);
  if (err)
    session_end(session);
  return err;
}

static void
session_ask(struct session *session, uint64_t trial)
{
  struct err_info info;
  double start = now_us();
  enum err err = search_ask(session->search, trial, session->point, &info);
  double us = now_us() - start;
  if (err == ERR_NOT_FOUND)
    answer_json(json_pack("{s:b}", "exhausted", 1));
  else if (err)
    answer_error(info.text);
  else
    answer_json(json_pack("{s:o,s:f}", "params",
                          space_point_to_json(session->space, session->point), "us", us));
}

static void
session_tell(struct session *session, uint64_t trial, bool failed, double value)
{
  struct err_info info;
  double start = now_us();
  enum err err = failed ? search_tell_failed(session->search, trial, true, &info)
                        : search_tell(session->search, trial, value, &info);
  double us = now_us() - start;
  if (err)
    answer_error(info.text);
  else
    answer_time(us);
}

static void
answer_line(struct session *session, const char *line)
{
  uint64_t trial;
  double value;
  struct err_info info;
  if (line[0] == '{')
  {
    if (session_begin(session, line, &info))
      answer_error(info.text);
    else
      answer_json(json_pack("{s:b}", "ready", 1));
  }
  else if (!session->search)
    answer_error("no search: begin with a line {\"space\": …}");
  else if (sscanf(line, "ask %" SCNu64, &trial) == 1)
    session_ask(session, trial);
  else if (sscanf(line, "tell %" SCNu64 " %lf", &trial, &value) == 2)
    session_tell(session, trial, false, value);
  else if (sscanf(line, "fail %" SCNu64, &trial) == 1)
    session_tell(session, trial, true, NAN);
  else
    answer_error("unknown command: ask ID, tell ID VALUE or fail ID");
}

int
main(int argc, char **argv)
{
  (void) argc;
  /* A library already loaded no longer asks how many threads it may start. */
  if (!getenv("OPENBLAS_NUM_THREADS") && setenv("OPENBLAS_NUM_THREADS", "1", 1) == 0)
    execv("/proc/self/exe", argv);
  struct session session = {0};
  char *line = NULL;
  size_t room = 0;
  while (getline(&line, &room, stdin) > 0)
    answer_line(&session, line);
  free(line);
  session_end(&session);
  return 0;
}
