/* Private to ingest_queue.c and ingest_item.c: the queue and what they need of each other. */
#ifndef ATTUNE_SERVER_INGEST_INTERNAL_H
#define ATTUNE_SERVER_INGEST_INTERNAL_H

#include <pthread.h>

#include "server/ingest_queue.h"

#define INGEST_THREADS_MAX 16u
#define INGEST_ID_SIZE 40
#define INGEST_DB_WAIT_S 5.0
#define INGEST_RETRY_S 1

struct item
{
  struct item *next;
  bool running;
  char id[INGEST_ID_SIZE];
};

struct ingest_queue
{
  struct server *server;
  char *folder;
  pthread_mutex_t mutex;
  pthread_cond_t work, done;
  struct item *items; /* oldest first */
  bool stopping;
  bool recovered;
  char **left; /* folders an earlier process left, until recovered */
  size_t left_count;
  unsigned thread_count;
  pthread_t threads[INGEST_THREADS_MAX];
};

/* "folder/id", or "folder/id/file" (to be freed); NULL when out of memory. */
char *ingest_item_path(const struct ingest_queue *queue, const char *id, const char *file);
/* Parses a staged upload and tells the database; true when nothing is left to do for it. */
bool ingest_item_process(struct ingest_queue *queue, const char *id);
bool ingest_queue_is_stopping(struct ingest_queue *queue);
/* Sleeps, less when the queue stops. */
void ingest_queue_pause(struct ingest_queue *queue, double seconds);

#endif
