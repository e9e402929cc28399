#include <config.h>

#include "server/http_internal.h"

#include "server/handler/handlers.h"

/* Of this event thread's present turn; NULL when none has been gathered. */
static _Thread_local struct http_exchange *leader_of_turn;
static _Thread_local struct http_exchange *last_of_turn;

/* After so many turns of one call each, one call in 2^LONE_MAX looks for company. */
#define LONE_MAX 4u

static _Thread_local unsigned lone_turns, calls_to_pass;

bool
http_gather_worth(void)
{
  if (leader_of_turn || calls_to_pass == 0)
    return true;
  calls_to_pass--;
  return false;
}

static void
note_turn(bool lone)
{
  lone_turns = !lone ? 0 : lone_turns < LONE_MAX ? lone_turns + 1 : LONE_MAX;
  calls_to_pass = (1u << lone_turns) - 1;
}

void
http_gather_add(struct http_exchange *exchange)
{
  atomic_fetch_add(&exchange->daemon->suspended, 1);
  MHD_suspend_connection(exchange->connection);
  exchange->gathered_next = NULL;
  if (leader_of_turn)
    last_of_turn->gathered_next = exchange;
  last_of_turn = exchange;
  if (leader_of_turn)
    return;
  leader_of_turn = exchange->gathered = exchange;
  exchange->leads = true;
  /* MHD takes up what is resumed at the start of its next turn, and does not wait before it */
  http_exchange_resume(exchange);
}

void
http_gather_end(struct http_exchange *leader)
{
  struct http_exchange *next = leader->gathered;

  leader->leads = false;
  leader->gathered = NULL;
  if (leader_of_turn == leader)
    leader_of_turn = last_of_turn = NULL;
  note_turn(next && !next->gathered_next);
  while (next)
  {
    struct http_exchange *together[GATHERED_MAX];
    struct http_request *requests[GATHERED_MAX];
    size_t count = 0;
    for (; next && count < GATHERED_MAX; next = next->gathered_next, count++)
    {
      together[count] = next;
      requests[count] = &next->req;
    }
    handle_gathered(requests, count);
    for (size_t i = 0; i < count; i++)
      if (together[i] != leader)
        http_exchange_resume(together[i]);
  }
}
