/* Makes system calls of ours fail on purpose: link a program with CALL_FAILS_WRAPS and this file. It reaches the
 * calls that our own code makes, not those of libraries. One thread.
 */
#ifndef ATTUNE_TESTS_CALL_FAILS_H
#define ATTUNE_TESTS_CALL_FAILS_H

#include <stdbool.h>
#include <stddef.h>

enum call_fault
{
  CALL_FAILS,       /* with EIO */
  CALL_FULL,        /* a write: with ENOSPC */
  CALL_INTERRUPTED, /* a read or write: with EINTR, once */
  CALL_SHORT        /* a read or write: does half of what it was asked */
};

/* The nth call from now on (1 = the next) of those that can have this fault has it; with `and_after` every later
 * one, too. */
void call_fails_from(enum call_fault fault, size_t nth, bool and_after);
/* Calls work again; whether one has failed. */
bool call_fails_end(void);
/* While held, none fails: for what a test does beside the work it tests. */
void call_fails_hold(bool held);
/* Descriptors that are open. */
size_t call_fails_open(void);

#endif
