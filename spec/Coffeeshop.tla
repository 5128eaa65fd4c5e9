----------------------------- MODULE Coffeeshop -----------------------------
(* One session of docs/architecture.md: clients feed P filters, these feed one aggregator, that     *)
(* writes the answer to the session's out journal. An edge of N producers and M tasks, twice.       *)
(*                                                                                                  *)
(* What a task does follows from the prefix of its journal that it has read: it answers at the      *)
(* shortest prefix that is complete. So how far an attempt has read needs no variable: it is any    *)
(* prefix, and an attempt that begins again begins at offset 0 with nothing (unless "replay" is     *)
(* removed). A task's pieces and its end of stream are one record here, "last"; on the edge of the  *)
(* clients both are apart and come in any order.                                                    *)
(*                                                                                                  *)
(* Faults are budgets: so many crashes, and so on. Each safeguard can be removed, by its name in    *)
(* Without: tests/spec/test_model.py sees that the model fails then, and holds with all of them.    *)
EXTENDS Naturals, Sequences, FiniteSets

CONSTANTS
  Clients, K, P,      \* each client sends K batches; batch n goes to filter (n % P) + 1
  Poisons,            \* 1: the first batch kills the process that reads it
  Crashes,            \* attempts that die
  Steals,             \* assignments handed out again while their owner goes on: two owners
  Losses,             \* appends stored or not whose confirmation does not come
  Vanishes,           \* appends confirmed and stored nowhere: a broker's node was lost
  Leaves,             \* clients that go away, whatever they are at
  Expiries,           \* ends by cancelling or by --session-ttl, whoever acts meanwhile
  Without             \* the safeguards that are removed

VARIABLES
  log,                \* journal -> its records; 0 is the out journal, t that of task t
  gone,               \* journals that do not exist
  confirmed,          \* client -> what it takes for stored, as <<journal, record>>
  queue,              \* task -> its assignments that wait for a node
  attempts,           \* the attempts that run, each [task, claim, tag, from]
  claims,             \* task -> for each attempt that ever began the batch it names (on out.<sid>)
  left,               \* clients that went away
  life,               \* what the gateways know of the session: the fold of ctl.sessions
  end,                \* how it ended, by that fold
  budget              \* the faults that may still happen
vars == <<log, gone, confirmed, queue, attempts, claims, left, life, end, budget>>

Has(safeguard) == safeguard \notin Without
Filters == 1..P   Aggregator == P + 1   Tasks == 1..(P + 1)   Out == 0
Ids == Clients \X (0..(K - 1))
Poison == IF Poisons = 1 THEN {<<1, 0>>} ELSE {}
None == [kind |-> "none", from |-> 0, n |-> 0, body |-> 0]
Plain == 1            \* attempts that name no record (2 in coffeeshop/pipeline/claims.py)
Same == 2             \* careful attempts in a row that died over one record (3 there)

--------------------------------------------------------------------------------
(* Records, and counting them: coffeeshop/pipeline/progress.py, coffeeshop/pipeline/task.py *)

\* A body counts how often each batch is in it, in decimal digits: 11 is two batches, each once.
Weight(id) == 10 ^ ((id[1] - 1) * K + id[2])
Batch(c, n) == [kind |-> "batch", from |-> c, n |-> n,
                body |-> Weight(<<c, n>>)]
Eof(c) == [kind |-> "eof", from |-> c, n |-> K, body |-> 0]
Failed == [kind |-> "failed", from |-> 0, n |-> 0, body |-> 0]
Left == [kind |-> "client_gone", from |-> 0, n |-> 0, body |-> 0]
Input(c) == {<<(n % P) + 1, Batch(c, n)>> : n \in 0..(K - 1)} \cup {<<p, Eof(c)>> : p \in Filters}

Range(v) == {v[i] : i \in DOMAIN v}   Announced(t) == IF t = Aggregator THEN Filters ELSE Clients
Share(t, s) == IF t = Aggregator THEN {0} ELSE {n \in 0..(K - 1) : (n % P) + 1 = t}
Seen(v, s) == {r.n : r \in {x \in Range(v) : x.kind \in {"batch", "last"} /\ x.from = s}}
Ended(v, s) == \E r \in Range(v) : r.kind \in {"eof", "last"} /\ r.from = s
Missing(v, t, s) == Share(t, s) \ Seen(v, s)
Heard(v) == {r.from : r \in {x \in Range(v) : x.kind \in {"batch", "eof", "last"}}}
Complete(v, t) ==
  LET all == IF Has("announced") THEN Announced(t) ELSE Heard(v)
  IN all # {} /\ \A s \in all : Ended(v, s) /\ (Has("count") => Missing(v, t, s) = {})
\* The prefix at which an attempt answers, and 0 while there is none.
Enough(v, t) ==
  IF Has("announced") /\ ~Complete(v, t) THEN 0
  ELSE LET all == {i \in DOMAIN v : Complete(SubSeq(v, 1, i), t)}
       IN IF all = {} THEN 0 ELSE CHOOSE i \in all : \A j \in all : i <= j
IsRepeat(v, i) == Has("repeats") /\ \E j \in 1..(i - 1) : v[j].from = v[i].from /\ v[j].n = v[i].n
                                                    /\ v[j].kind = v[i].kind
RECURSIVE Fold(_, _)
Fold(v, i) ==
  IF i = 0 THEN 0
  ELSE Fold(v, i - 1) + IF IsRepeat(v, i) THEN 0 ELSE v[i].body

View(a) == SubSeq(log[a.task], a.from + 1, Len(log[a.task]))
Answer(a) == [kind |-> "last", from |-> a.task, n |-> 0,
              body |-> Fold(View(a), Enough(View(a), a.task))]
Target(a) == IF a.task = Aggregator THEN Out ELSE Aggregator
PoisonIn(a) == {<<r.from, r.n>> : r \in {x \in Range(View(a)) : x.kind = "batch"}} \cap Poison

\* The terminal event is the first record of these kinds, whoever reads.
IsEnd(r) == r.kind \in {"last", "failed"}
First(v) == LET all == {i \in DOMAIN v : IsEnd(v[i])}
            IN IF all = {} THEN None ELSE v[CHOOSE i \in all : \A j \in all : i <= j]
Over == First(log[Out]) # None
Latest(v) == LET all == {i \in DOMAIN v : IsEnd(v[i])}
             IN IF all = {} THEN None ELSE v[CHOOSE i \in all : \A j \in all : i >= j]

--------------------------------------------------------------------------------
Init ==
  /\ log = [j \in 0..(P + 1) |-> <<>>]
  /\ gone = 0..(P + 1)
  /\ confirmed = [c \in Clients |-> {}]
  /\ queue = [t \in Tasks |-> 0]
  /\ attempts = {}
  /\ claims = [t \in Tasks |-> <<>>]
  /\ left = {}
  /\ life = "opened" /\ end = None
  /\ budget = [crash |-> Crashes, steal |-> Steals, lose |-> Losses, vanish |-> Vanishes,
               leave |-> Leaves, expire |-> Expiries]

May(fault) == budget[fault] > 0   Free == UNCHANGED budget
Pay(fault) == budget' = [budget EXCEPT ![fault] = @ - 1]
Put(j, r) == log' = IF j \in gone THEN log ELSE [log EXCEPT ![j] = Append(@, r)]
\* What becomes of an append: stored, known to whoever sent it, and what it costs.
Fate(j, r, stored, known) ==
  /\ IF stored THEN Put(j, r) ELSE UNCHANGED log
  /\ CASE stored /\ known -> Free
       [] stored /\ ~known -> May("lose") /\ Pay("lose")
       [] ~stored /\ known -> May("vanish") /\ Pay("vanish")
       \* Nothing happened, and the sender knows it: of interest where it does not try again.
       [] OTHER -> ~Has("resend") /\ May("lose") /\ Pay("lose")

(* The session opens: journals first, then assignments. *)
Declare == /\ gone = 0..(P + 1) /\ life \in {"opened", "published"}
           /\ Has("declare") \/ life = "published"
           /\ gone' = {} /\ life' = IF life = "opened" THEN "declared" ELSE "open"
           /\ UNCHANGED <<log, confirmed, queue, attempts, claims, left, end, budget>>
Publish == /\ life = (IF Has("declare") THEN "declared" ELSE "opened")
           /\ queue' = [t \in Tasks |-> 1]
           /\ life' = IF life = "declared" THEN "open" ELSE "published"
           /\ UNCHANGED <<log, gone, confirmed, attempts, claims, left, end, budget>>

(* Clients send until all is confirmed, in any order; what was not confirmed is sent again. *)
Send(c) ==
  /\ life = "open" /\ c \notin left
  /\ \E x \in Input(c) \ confirmed[c] : \E stored, known \in BOOLEAN :
       /\ Fate(x[1], x[2], stored, known)
       /\ confirmed' = IF known THEN [confirmed EXCEPT ![c] = @ \cup {x}] ELSE confirmed
  /\ UNCHANGED <<gone, queue, attempts, claims, left, life, end>>
Leave(c) ==
  /\ life = "open" /\ c \notin left /\ May("leave") /\ Pay("leave")
  /\ left' = left \cup {c}
  /\ UNCHANGED <<log, gone, confirmed, queue, attempts, claims, life, end>>

(* Nodes take assignments, read, answer, and acknowledge after the answer is confirmed. *)
Hopeless(t) ==
  LET n == Len(claims[t]) IN
  /\ Has("claims") /\ n >= Plain + Same
  /\ \E id \in Ids : \A i \in (n - Same + 1)..n : claims[t][i] = {id}
Take(t) ==
  /\ queue[t] > 0 /\ queue' = [queue EXCEPT ![t] = @ - 1]
  /\ IF t \in gone THEN UNCHANGED <<log, attempts, claims>>     \* the session is over
     ELSE IF Hopeless(t) THEN Put(Out, Failed) /\ UNCHANGED <<attempts, claims>>
     ELSE /\ claims' = IF Has("claims") THEN [claims EXCEPT ![t] = Append(@, {})] ELSE claims
          /\ attempts' = attempts \cup {[task |-> t, claim |-> Len(claims[t]) + 1,
               tag |-> Has("ack"),
               from |-> IF Has("replay") \/ claims[t] = <<>> THEN 0 ELSE Len(log[t])]}
          /\ UNCHANGED log
  /\ UNCHANGED <<gone, confirmed, left, life, end, budget>>
\* Answered, confirmed, acknowledged. A crash just before the acknowledgement is the same as a lost
\* confirmation and a crash.
Tell(a) ==
  /\ a.task \notin gone /\ Target(a) \notin gone
  /\ PoisonIn(a) = {} /\ Enough(View(a), a.task) > 0
  /\ \E stored, known \in BOOLEAN :
       /\ Fate(Target(a), Answer(a), stored, known)
       /\ attempts' = IF known \/ ~Has("resend") THEN attempts \ {a} ELSE attempts
  /\ UNCHANGED <<gone, confirmed, queue, claims, left, life, end>>
Drop(a) ==            \* a journal is gone, and with it the session
  /\ a.task \in gone \/ Target(a) \in gone
  /\ attempts' = attempts \ {a}
  /\ UNCHANGED <<log, gone, confirmed, queue, claims, left, life, end, budget>>
Again(a) == queue' = IF a.tag THEN [queue EXCEPT ![a.task] = @ + 1] ELSE queue
Die(a) ==             \* over a batch that kills whoever reads it; a careful attempt has named it
  /\ PoisonIn(a) # {} /\ a.task \notin gone
  /\ attempts' = attempts \ {a} /\ Again(a)
  /\ claims' = IF a.claim > Plain THEN [claims EXCEPT ![a.task][a.claim] = PoisonIn(a)] ELSE claims
  /\ UNCHANGED <<log, gone, confirmed, left, life, end, budget>>
Crash(a) ==           \* for any other reason, whatever a careful attempt is at
  /\ life = "open" /\ May("crash") /\ Pay("crash") /\ attempts' = attempts \ {a} /\ Again(a)
  /\ \E named \in {{}} \cup {{<<r.from, r.n>>} : r \in {x \in Range(View(a)) : x.kind = "batch"}} :
       claims' = IF a.claim > Plain THEN [claims EXCEPT ![a.task][a.claim] = named] ELSE claims
  /\ UNCHANGED <<log, gone, confirmed, left, life, end>>
Steal(a) ==           \* frozen or cut off: taken for dead, it goes on beside its successor
  /\ life = "open" /\ a.tag /\ May("steal") /\ Pay("steal") /\ Again(a)
  /\ attempts' = (attempts \ {a}) \cup {[a EXCEPT !.tag = FALSE]}
  /\ UNCHANGED <<log, gone, confirmed, claims, left, life, end>>

(* coffeeshop/pipeline/repair.py: a task that read to its marker asks for what is missing. A client *)
(* sends a batch again, a gateway an end, or it assigns the task again that made it and is done.    *)
Ask(a) ==
  /\ Has("repair") /\ life = "open" /\ ~Over /\ a.task \notin gone
  /\ IF a.task = Aggregator
     THEN \E s \in Filters :
            /\ ~Ended(View(a), s) /\ queue[s] = 0 /\ ~\E b \in attempts : b.task = s
            /\ queue' = [queue EXCEPT ![s] = 1] /\ UNCHANGED <<log, confirmed>>
     ELSE \E c \in Clients : \E x \in confirmed[c] :
            /\ x[1] = a.task /\ x[2] \notin Range(log[a.task]) /\ UNCHANGED queue
            /\ IF x[2].kind = "eof" THEN Put(a.task, x[2]) /\ UNCHANGED confirmed
               ELSE c \notin left /\ confirmed' = [confirmed EXCEPT ![c] = @ \ {x}] /\ UNCHANGED log
  /\ UNCHANGED <<gone, attempts, claims, left, life, end, budget>>

(* Keepers end what a client left behind, and sessions whose time is over; each end is a record     *)
(* on the out journal, and the first one counts.                                                    *)
Uploaded == \A c \in Clients : \A p \in Filters : <<p, Eof(c)>> \in confirmed[c]
\* Nobody asks for the answer itself: the aggregator is done, and it is not there.
Recompute == /\ Has("repair") /\ life = "open" /\ ~Over /\ Uploaded
             /\ queue[Aggregator] = 0 /\ queue' = [queue EXCEPT ![Aggregator] = 1]
             /\ ~\E a \in attempts : a.task = Aggregator
             /\ UNCHANGED <<log, gone, confirmed, attempts, claims, left, life, end, budget>>
Abort == /\ life = "open" /\ left # {} /\ ~Uploaded /\ ~Over
         /\ Put(Out, Failed)
         /\ UNCHANGED <<gone, confirmed, queue, attempts, claims, left, life, end, budget>>
ClientGone(p) == /\ Has("left") /\ life = "open" /\ left # {} /\ Uploaded
                 /\ Left \notin Range(log[p]) /\ Put(p, Left)
                 /\ UNCHANGED <<gone, confirmed, queue, attempts, claims, left, life, end, budget>>
GiveUp(a) ==          \* all that was sent is before that record, and it is not enough
  /\ a.task # Aggregator /\ a.task \notin gone /\ Left \in Range(View(a))
  /\ PoisonIn(a) = {} /\ Enough(View(a), a.task) = 0 /\ ~Over
  /\ Put(Out, Failed)
  /\ UNCHANGED <<gone, confirmed, queue, attempts, claims, left, life, end, budget>>
Expire == /\ life = "open" /\ May("expire") /\ Pay("expire") /\ Put(Out, Failed)
          /\ UNCHANGED <<gone, confirmed, queue, attempts, claims, left, life, end>>
Counts == IF Has("first") THEN First(log[Out]) ELSE Latest(log[Out])
End == /\ life = "open" /\ Counts # None /\ life' = "ended" /\ end' = Counts
       /\ UNCHANGED <<log, gone, confirmed, queue, attempts, claims, left, budget>>
Release == /\ life = "ended" \/ (~Has("keep") /\ life = "open" /\ Uploaded)
           /\ life' = (IF life = "ended" THEN "released" ELSE life) /\ Tasks \ gone # {}
           /\ gone' = gone \cup Tasks
           /\ UNCHANGED <<log, confirmed, queue, attempts, claims, left, end, budget>>
Forget == /\ life = "released" /\ life' = "expired" /\ gone' = gone \cup {Out}
          /\ UNCHANGED <<log, confirmed, queue, attempts, claims, left, end, budget>>

--------------------------------------------------------------------------------
Progress ==
  \/ Declare \/ Publish \/ Recompute \/ Abort \/ End \/ Release \/ Forget
  \/ \E c \in Clients : Send(c)
  \/ \E t \in Tasks : Take(t)
  \/ \E p \in Filters : ClientGone(p)
  \/ \E a \in attempts : Tell(a) \/ Drop(a) \/ Die(a) \/ Ask(a) \/ GiveUp(a)
Fault == Expire \/ (\E c \in Clients : Leave(c)) \/ (\E a \in attempts : Crash(a) \/ Steal(a))
Spec == Init /\ [][Progress \/ Fault]_vars /\ WF_vars(Progress)

(* A right answer, or one failure that has a cause. *)
Everything == (10 ^ Cardinality(Ids) - 1) \div 9     \* 11...1: each batch once
RightAnswer == First(log[Out]).kind = "last" => First(log[Out]).body = Everything
OneEnd == end # None => end = First(log[Out])
HasCause == First(log[Out]).kind = "failed" =>
              left # {} \/ budget.expire < Expiries \/ Poison # {}
(* Every session ends, and without a cause to fail it completes. *)
Ends == <>(life = "expired")
Completes == Leaves = 0 /\ Expiries = 0 /\ Poison = {} => <>(end.kind = "last")
=============================================================================
