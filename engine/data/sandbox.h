/* Leaves the process no more of the kernel than parsing needs: memory, and reading and writing the
 * descriptors it has. Anything else (opening a file, a socket, a program, a process or thread, executable
 * memory) ends it at once with SIGSYS.
 *
 * Its own address space may still be limited (prlimit64 of RLIMIT_AS), since entering needs some.
 * For attune-ingest, after its set-up; there is no way out again. It also makes the C library read
 * beforehand what it would open later (time zone, character sets, a random seed for hashing). In sanitizer
 * and coverage builds, which need more of the system, it does nothing.
 */
#ifndef ATTUNE_DATA_SANDBOX_H
#define ATTUNE_DATA_SANDBOX_H

#include <stdbool.h>

#include "base/err.h"

/* ERR_INTERNAL when the system can't do it, ERR_MEMORY: parse nothing then. */
enum err sandbox_enter(struct err_info *info);

/* Whether this build has it. */
bool sandbox_is_built(void);

#endif
