// Writing a message that is added once, even if answers are lost.
//
// A message gets an idempotency key, which is stored before anything is sent. While the outcome is not known, the page sends
// the same message with the same key again: the gateway adds it only if the log does not have it.

import { useEffect, useRef, useState } from 'preact/hooks'

import { type AddedMessage, type Failure, type Me, type MessageInput, type readOrder } from './api'
import { addMessage, isInDoubt, isProblem } from './api'
import { FailureNotice } from './failure-notice'
import { useCountdown } from './hooks'
import { type PendingMessage, drafts, newIdempotencyKey, pendingMessage, removePending, savePending } from './storage'
import { MESSAGE_TYPES, entries, seconds } from './text'

type State =
  | { step: 'writing'; failure?: Failure }
  | { step: 'sending' }
  /** `until` is when to send again, in milliseconds. Without it that makes no sense before somebody has done something. */
  | { step: 'waiting'; pending: PendingMessage; failure: Failure; until: number | undefined }
  | { step: 'added'; message: AddedMessage; wasThere: boolean; timesInLog: number | undefined }

interface Props {
  orderId: number
  me: Me
  reload: () => ReturnType<typeof readOrder>
}

export function WriteMessage({ orderId, me, reload }: Props) {
  const [state, setState] = useState(() => initialState(orderId, me))
  const [draft, showDraft] = useState(state.step === 'waiting' ? state.pending.message : (drafts.get(orderId) ?? EMPTY))
  const heading = useRef<HTMLHeadingElement>(null)
  const isBusy = state.step === 'sending' || state.step === 'waiting'

  function setDraft(draft: MessageInput) {
    drafts.set(orderId, draft)
    showDraft(draft)
  }

  async function send(unsent: PendingMessage) {
    const pending = { ...unsent, sentAt: Date.now() }
    savePending(pending)
    setState({ step: 'sending' })
    const answer = await addMessage(orderId, pending.idempotencyKey, pending.message)
    if (answer.ok) {
      removePending(pending)
      setDraft(EMPTY)
      const wasThere = answer.headers.get('Idempotency-Replayed') === 'true'
      setState({ step: 'added', message: answer.data, wasThere, timesInLog: await countInLog(answer.data) })
      return
    }
    const { failure } = answer
    pending.isInDoubt ||= isInDoubt(failure)
    const wait = secondsUntilRepeat(failure, me.settleTimeSeconds)
    if (pending.isInDoubt || wait !== undefined) {
      setState({ step: 'waiting', pending, failure, until: wait && Date.now() + wait * 1000 })
    } else {
      removePending(pending)
      setState({ step: 'writing', failure })
    }
  }

  async function countInLog({ reference }: AddedMessage): Promise<number | undefined> {
    const order = await reload()
    return order.ok ? order.data.messages.filter((entry) => entry.reference === reference).length : undefined
  }

  function giveUp(pending: PendingMessage) {
    removePending(pending)
    setDraft(EMPTY)
    setState({ step: 'writing' })
    // The button goes away, so the focus has to go somewhere else.
    heading.current?.focus()
    void reload()
  }

  return (
    <section class="panel" aria-labelledby="write-message">
      <h2 id="write-message" tabIndex={-1} ref={heading}>
        Skriv meddelande
      </h2>
      <MessageForm
        draft={draft}
        setDraft={isBusy ? () => {} : setDraft}
        isBusy={isBusy}
        send={() => send(newPending(orderId, me, draft))}
      />
      <div role="status">
        {state.step === 'sending' && <p>Skickar …</p>}
        {state.step === 'added' && <Added {...state} />}
      </div>
      {state.step === 'waiting' && (
        <Waiting {...state} repeat={() => send(state.pending)} giveUp={() => giveUp(state.pending)} />
      )}
      {state.step === 'writing' && state.failure && <FailureNotice failure={state.failure} operation="message" />}
    </section>
  )
}

const EMPTY: MessageInput = { type: 'log', text: '' }

function newPending(orderId: number, me: Me, message: MessageInput): PendingMessage {
  return { orderId, client: me.client, idempotencyKey: newIdempotencyKey(), message, isInDoubt: false, sentAt: 0 }
}

/** A message that had no answer before a reload, or before another page was visited, is in doubt. */
function initialState(orderId: number, me: Me): State {
  const stored = pendingMessage(orderId, me.client)
  if (!stored) return { step: 'writing' }
  const pending = { ...stored, isInDoubt: true }
  const until = pending.sentAt + me.settleTimeSeconds * 1000
  return { step: 'waiting', pending, failure: { kind: 'no-answer' }, until }
}

/** After how many seconds the same message with the same key may succeed; `undefined` if nothing suggests that it will. */
function secondsUntilRepeat(failure: Failure, settleTime: number): number | undefined {
  const retryAfter = failure.kind === 'problem' ? failure.retryAfter : undefined
  if (retryAfter !== undefined) return retryAfter
  return isInDoubt(failure) || isProblem(failure, 'upstream-unreachable') ? settleTime : undefined
}

interface WaitingProps {
  pending: PendingMessage
  failure: Failure
  until: number | undefined
  repeat: () => void
  giveUp: () => void
}

function Waiting({ pending, failure, until, repeat, giveUp }: WaitingProps) {
  return (
    <FailureNotice failure={failure} operation="message" wasInDoubt={pending.isInDoubt}>
      {until === undefined ? (
        <p>
          <button onClick={repeat}>Försök igen med samma nyckel</button>
        </p>
      ) : (
        <>
          <p>
            Sidan skickar samma meddelande igen, med samma nyckel, så att det läggs till en enda gång. Du behöver inte göra
            något.
          </p>
          <Countdown until={until} repeat={repeat} />
        </>
      )}
      <button class="secondary" onClick={giveUp}>
        Sluta försöka och läs loggen
      </button>
    </FailureNotice>
  )
}

function Countdown({ until, repeat }: { until: number; repeat: () => void }) {
  const left = useCountdown(until)
  const isOver = left === 0
  useEffect(() => {
    if (isOver) repeat()
  }, [isOver])
  return <p role="timer">Skickas igen om {seconds(left)}.</p>
}

function Added({
  message,
  wasThere,
  timesInLog,
}: {
  message: AddedMessage
  wasThere: boolean
  timesInLog: number | undefined
}) {
  const times = message.duplicateCount ?? timesInLog
  if (times !== undefined && times > 1) {
    return <p class="notice bad">Meddelandet finns {times} gånger i loggen: flera servrar tog emot det samtidigt.</p>
  }
  return (
    <p class="notice good">
      {wasThere ? 'Meddelandet hade redan kommit fram och lades inte till igen.' : 'Meddelandet är tillagt.'}
      {times === 1 && ' Det finns en gång i loggen.'}
    </p>
  )
}

interface FormProps {
  draft: MessageInput
  setDraft: (draft: MessageInput) => void
  /** Whether a message is on its way. The controls stay enabled for the focus, which a disabled one would lose. */
  isBusy: boolean
  send: () => void
}

function MessageForm({ draft, setDraft, isBusy, send }: FormProps) {
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    if (!isBusy) send()
  }
  return (
    <form onSubmit={submit}>
      <label>
        Slag
        <select
          value={draft.type}
          onChange={(event) => setDraft({ ...draft, type: event.currentTarget.value as MessageInput['type'] })}
          aria-disabled={isBusy}
        >
          {entries(MESSAGE_TYPES).map(([type, text]) => (
            <option key={type} value={type}>
              {text}
            </option>
          ))}
        </select>
      </label>
      <label>
        Meddelande
        <textarea
          rows={4}
          required
          maxLength={7900}
          readOnly={isBusy}
          value={draft.text}
          onInput={(event) => setDraft({ ...draft, text: event.currentTarget.value })}
          aria-describedby="message-hint"
        />
      </label>
      <p id="message-hint" class="small">
        Både leverantören och nätägaren kan läsa det.
      </p>
      <button aria-disabled={isBusy}>Skicka</button>
    </form>
  )
}
