#include <config.h>

#include "server/writer.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

struct writer
{
  writer_write *write;
  void *context;
  double seconds;
  pthread_t thread;
  pthread_mutex_t lock; /* of what follows */
  pthread_cond_t wake, written;
  bool stopping, good;
  uint64_t wanted, done; /* flushes */
};

static struct timespec
time_in(double seconds)
{
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += (time_t) seconds;
  until.tv_nsec += (long) ((seconds - (double) (time_t) seconds) * 1e9);
  until.tv_sec += until.tv_nsec / 1000000000L;
  until.tv_nsec %= 1000000000L;
  return until;
}

static void *
run(void *context)
{
  struct writer *writer = context;
  for (bool stopping = false; !stopping;)
  {
    struct timespec until = time_in(writer->seconds);
    pthread_mutex_lock(&writer->lock);
    int waited = 0;
    while (!writer->stopping && waited == 0 && writer->wanted == writer->done)
      waited = pthread_cond_timedwait(&writer->wake, &writer->lock, &until);
    stopping = writer->stopping;
    uint64_t wanted = writer->wanted;
    bool all = stopping || wanted != writer->done;
    pthread_mutex_unlock(&writer->lock);
    bool good = writer->write(writer->context, all);
    pthread_mutex_lock(&writer->lock);
    writer->done = wanted;
    writer->good = good;
    pthread_cond_broadcast(&writer->written);
    pthread_mutex_unlock(&writer->lock);
  }
  return NULL;
}

static void
release(struct writer *writer)
{
  pthread_mutex_destroy(&writer->lock);
  pthread_cond_destroy(&writer->wake);
  pthread_cond_destroy(&writer->written);
  free(writer);
}

enum err
writer_start(writer_write *write, void *context, double seconds, struct writer **out,
             struct err_info *info)
{
  struct writer *writer = calloc(1, sizeof *writer);
  if (!writer)
    return err_set(info, ERR_MEMORY, "out of memory");
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&writer->wake, &attributes);
  pthread_cond_init(&writer->written, &attributes);
  pthread_condattr_destroy(&attributes);
  pthread_mutex_init(&writer->lock, NULL);
  writer->write = write;
  writer->context = context;
  writer->seconds = seconds;
  int failed = pthread_create(&writer->thread, NULL, run, writer);
  if (failed)
  {
    release(writer);
    return err_set_errno(info, ERR_MEMORY, failed, "could not start a thread");
  }
  *out = writer;
  return ERR_OK;
}

bool
writer_flush(struct writer *writer, double seconds)
{
  struct timespec until = time_in(seconds);
  int waited = 0;
  pthread_mutex_lock(&writer->lock);
  uint64_t mine = ++writer->wanted;
  pthread_cond_signal(&writer->wake);
  while (writer->done < mine && waited == 0)
    waited = pthread_cond_timedwait(&writer->written, &writer->lock, &until);
  bool good = writer->done >= mine && writer->good;
  pthread_mutex_unlock(&writer->lock);
  return good;
}

void
writer_stop(struct writer *writer)
{
  if (!writer)
    return;
  pthread_mutex_lock(&writer->lock);
  writer->stopping = true;
  pthread_cond_signal(&writer->wake);
  pthread_mutex_unlock(&writer->lock);
  pthread_join(writer->thread, NULL);
  release(writer);
}
