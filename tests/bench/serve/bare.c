/* The least a POST can cost: libmicrohttpd with attuned's flags and pool, which reads the body and answers as many bytes
 * as a prediction has, without looking at anything. The serving bench compares predictions with it.
 *   bare PORT ANSWER_BYTES */
#include <config.h>

#include <arpa/inet.h>
#include <microhttpd.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECTION_MEMORY 24576

/* One request's body. */
struct body
{
  char *bytes;
  size_t length, capacity;
};

static char *answer;
static size_t answer_length;

static bool
take(struct body *body, const char *bytes, size_t length)
{
  if (body->length + length > body->capacity)
  {
    size_t capacity = 2 * (body->length + length);
    char *grown = realloc(body->bytes, capacity);
    if (!grown)
      return false;
    body->bytes = grown;
    body->capacity = capacity;
  }
  memcpy(body->bytes + body->length, bytes, length);
  body->length += length;
  return true;
}

static enum MHD_Result
on_access(void *context, struct MHD_Connection *connection, const char *url, const char *method,
          const char *version, const char *data, size_t *data_length, void **slot)
{
  struct body *body = *slot;
  (void) context;
  (void) url;
  (void) method;
  (void) version;
  if (!body)
  {
    *slot = calloc(1, sizeof *body);
    return *slot ? MHD_YES : MHD_NO;
  }
  if (*data_length > 0)
  {
    bool taken = take(body, data, *data_length);
    *data_length = 0;
    return taken ? MHD_YES : MHD_NO;
  }
  struct MHD_Response *response =
    MHD_create_response_from_buffer(answer_length, answer, MHD_RESPMEM_PERSISTENT);
  if (!response)
    return MHD_NO;
  MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
  enum MHD_Result result = MHD_queue_response(connection, MHD_HTTP_OK, response);
  MHD_destroy_response(response);
  return result;
}

static void
on_completed(void *context, struct MHD_Connection *connection, void **slot,
             enum MHD_RequestTerminationCode code)
{
  struct body *body = *slot;
  (void) context;
  (void) connection;
  (void) code;
  if (body)
    free(body->bytes);
  free(body);
  *slot = NULL;
}

int
main(int argc, char **argv)
{
  unsigned port = argc == 3 ? (unsigned) strtoul(argv[1], NULL, 10) : 0;
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  sigset_t end;
  int signal_number;
  if (port == 0 || port > 65535)
  {
    fputs("usage: bare PORT ANSWER_BYTES\n", stderr);
    return 2;
  }
  answer_length = strtoul(argv[2], NULL, 10);
  answer = malloc(answer_length + 1);
  if (!answer)
    return 1;
  memset(answer, ' ', answer_length);
  sigemptyset(&end);
  sigaddset(&end, SIGTERM);
  sigaddset(&end, SIGINT);
  pthread_sigmask(SIG_BLOCK, &end, NULL);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t) port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  struct MHD_Daemon *daemon = MHD_start_daemon(
    MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_TURBO | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
    on_access, NULL, MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
    NULL, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t) CONNECTION_MEMORY,
    MHD_OPTION_THREAD_POOL_SIZE, cores > 1 ? (unsigned) cores : 0, MHD_OPTION_END);
  if (!daemon)
    return 1;
  sigwait(&end, &signal_number);
  MHD_stop_daemon(daemon);
  free(answer);
  return 0;
}
