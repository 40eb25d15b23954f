// Changing the status without overwriting somebody else's change.
//
// The change is sent with the tag of the order that the user saw (`If-Match`). If the order is another one by then, the gateway
// answers 412 and sends nothing: the page shows what has changed, and the user decides again.

import { useRef, useState } from 'preact/hooks'

import { type Failure, type Me, type Order, type StatusInput, changeStatus, isProblem, type readOrder } from './api'
import { FailureNotice } from './failure-notice'
import { useFocus } from './hooks'
import { LogEntry } from './order-page'
import { STATUSES, entries, statusText } from './text'

type Status = StatusInput['status']

type State =
  | { step: 'choosing' }
  | { step: 'sending' }
  | { step: 'changed'; status: Status; isContested: boolean }
  | { step: 'conflict'; wanted: Status; seen: Order }
  | { step: 'failed'; failure: Failure }

interface Props {
  order: Order
  me: Me
  reload: () => ReturnType<typeof readOrder>
}

export function ChangeStatus({ order, me, reload }: Props) {
  const [state, setState] = useState<State>({ step: 'choosing' })
  const heading = useRef<HTMLHeadingElement>(null)

  async function change(wanted: Status) {
    setState({ step: 'sending' })
    const changed = await changeStatus(order.id, wanted, order.statusTag)
    if (changed.ok) {
      setState({ step: 'changed', status: wanted, isContested: changed.data.contested ?? false })
      void reload()
    } else if (isProblem(changed.failure, 'precondition-failed')) {
      const now = await reload()
      setState(now.ok ? { step: 'conflict', wanted, seen: order } : { step: 'failed', failure: changed.failure })
    } else {
      setState({ step: 'failed', failure: changed.failure })
    }
  }

  /** The button that was pressed goes away, so the focus has to go somewhere else. */
  function leave(next: () => void) {
    heading.current?.focus()
    next()
  }

  async function readAgain() {
    const now = await reload()
    if (now.ok) leave(() => setState({ step: 'choosing' }))
  }

  return (
    <section class="panel" aria-labelledby="change-status">
      <h2 id="change-status" tabIndex={-1} ref={heading}>
        Ändra status
      </h2>
      {state.step !== 'conflict' && (
        <StatusForm isSending={state.step === 'sending'} current={order.status} onSubmit={change} />
      )}
      {state.step === 'conflict' && (
        <Conflict
          seen={state.seen}
          now={order}
          wanted={state.wanted}
          timeZone={me.timeZone}
          change={() => leave(() => change(state.wanted))}
          keep={() => leave(() => setState({ step: 'choosing' }))}
        />
      )}
      <div role="status">
        {state.step === 'sending' && <p>Ändrar …</p>}
        {state.step === 'changed' && <p class="notice good">Statusen är ändrad till {statusText(state.status)}.</p>}
        {state.step === 'changed' && state.isContested && (
          <p class="notice bad">
            Någon annan ändrade ordern i samma ögonblick, och kan tro att den är deras. Läs loggen och kom överens, till exempel
            med ett meddelande.
          </p>
        )}
      </div>
      {state.step === 'failed' && (
        <FailureNotice failure={state.failure} operation="status" settleTime={me.settleTimeSeconds}>
          <button onClick={readAgain}>Läs ordern igen</button>
        </FailureNotice>
      )}
    </section>
  )
}

interface FormProps {
  isSending: boolean
  current: string | undefined
  onSubmit: (status: Status) => void
}

function StatusForm({ isSending, current, onSubmit }: FormProps) {
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    // The control stays enabled while sending: a disabled one would lose the focus.
    if (!isSending) onSubmit(new FormData(event.currentTarget as HTMLFormElement).get('status') as Status)
  }
  return (
    <form onSubmit={submit}>
      <label>
        Ny status
        <select name="status" required>
          {/* Nothing is chosen for the user when the page does not know the present status. */}
          {!(current && current in STATUSES) && <option value="">Välj</option>}
          {entries(STATUSES).map(([status, text]) => (
            <option key={status} value={status} selected={status === current}>
              {text}
            </option>
          ))}
        </select>
      </label>
      <button aria-disabled={isSending}>Ändra status</button>
    </form>
  )
}

interface ConflictProps {
  seen: Order
  now: Order
  wanted: Status
  timeZone: string
  change: () => void
  keep: () => void
}

function Conflict({ seen, now, wanted, timeZone, change, keep }: ConflictProps) {
  const heading = useFocus<HTMLHeadingElement>()
  const news = now.messages.slice(seen.messages.length)
  return (
    <div class="notice bad">
      <h3 tabIndex={-1} ref={heading}>
        Ordern har ändrats sedan du läste den
      </h3>
      <p>Ingenting är ändrat av dig. Detta har hänt:</p>
      <dl>
        <dt>Status när du läste</dt>
        <dd>{statusText(seen.status)}</dd>
        <dt>Status nu</dt>
        <dd>
          <strong>{statusText(now.status)}</strong>
        </dd>
        <dt>Du ville ändra till</dt>
        <dd>{statusText(wanted)}</dd>
      </dl>
      {news.length > 0 && (
        <>
          <p>Nytt i loggen:</p>
          <ol class="log">
            {news.map((message, index) => (
              <LogEntry key={index} message={message} timeZone={timeZone} />
            ))}
          </ol>
        </>
      )}
      <div class="buttons">
        <button onClick={keep}>Behåll {statusText(now.status)}</button>
        <button class="secondary" onClick={change}>
          Ändra ändå till {statusText(wanted)}
        </button>
      </div>
    </div>
  )
}
