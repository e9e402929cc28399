/* Makes calls of our own code fail on purpose: the nth allocation, statement, file operation, … of a program.
 *
 * Link the program with faults.c and FAULTS_LDFLAGS; only calls from our code are reached, and Jansson's
 * allocations. A test in C calls faults_arm; one from outside shares struct faults with the program through
 * the file that ATTUNE_FAULTS names (tests/harness/faults.py). Calls of all threads are counted together.
 */
#ifndef ATTUNE_TESTS_FAULTS_H
#define ATTUNE_TESTS_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

enum fault_kind
{
  FAULT_NONE,
  FAULT_MEMORY,    /* allocations give NULL */
  FAULT_STATEMENT, /* statements sent to the database, by `how` */
  FAULT_FILE,      /* calls on files: errno is `code` */
  FAULT_SYSTEM,    /* threads, processes, pipes, sockets: errno is `code` */
  FAULT_LIBRARY,   /* what libmicrohttpd, curl and libpq make */
  FAULT_COPY       /* data of a COPY, the connection is lost */
};

enum fault_how
{
  FAULT_ERROR, /* the server refuses it with the SQLSTATE `state` */
  FAULT_LOST,  /* the connection is lost before it */
  FAULT_EMPTY, /* no row comes of it, and nothing is done (prepared statements) */
  FAULT_ODD    /* a row with another number of columns comes of it (prepared statements) */
};

/* As four-byte integers and eight characters: faults.py writes it, too. */
struct faults
{
  int32_t kind;
  int32_t countdown; /* 1 = the next call fails; 0 = none */
  int32_t sticky;    /* and all after it */
  int32_t fired;     /* how many have failed */
  int32_t how;
  int32_t code;
  char state[8];
};

/* The nth call of this kind fails, and with `sticky` every one after it. */
void faults_arm(enum fault_kind kind, int nth, bool sticky);
/* The same for a statement; `state` as "40001", or NULL where none is needed. */
void faults_arm_statement(int nth, enum fault_how how, const char *state);
/* Nothing fails any more; how many calls did. */
int faults_end(void);

#endif
