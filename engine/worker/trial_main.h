/* `attune-engine --trial DIR`: one unit of work, or the finish of a job, in a process of its own.
 *
 * Reads DIR/unit.json (see work_dir.h), writes model.bin, predictions.f32, report.json and schema.json as the
 * mode has them, and last result.json: {"ok":true,…} or {"ok":false,"error","text"}. Epochs go to
 * descriptor 3 as JSON lines. SIGTERM asks it to stop. No database, no network.
 */
#ifndef ATTUNE_WORKER_TRIAL_MAIN_H
#define ATTUNE_WORKER_TRIAL_MAIN_H

#define TRIAL_PROGRESS_FD 3
#define TRIAL_HOLD_FD 4 /* the lock on the worker's folder: never used, held until the end */

/* The exit status: 0 when result.json was written, whatever it says. */
int trial_main(const char *dir);

#endif
