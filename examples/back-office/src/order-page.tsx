// One order: what was ordered, by whom, its log, and the two things that can be done to it.

import { useEffect, useRef } from 'preact/hooks'

import { type Me, type Message, type Order, readOrder } from './api'
import { ChangeStatus } from './change-status'
import { CustomerDetails } from './customer-details'
import { FailureNotice } from './failure-notice'
import { useAnswer, useFocus } from './hooks'
import { messageTypeText, statusText } from './text'
import { Time } from './time'
import { WriteMessage } from './write-message'

export function OrderPage({ id, me }: { id: number; me: Me }) {
  const [answer, load] = useAnswer(() => readOrder(id), [id])
  const heading = useFocus<HTMLHeadingElement>()
  // Stays when the order cannot be read again: with it the confirmation of a write would go away.
  const order = useRef<Order>(undefined)
  if (answer?.ok) order.current = answer.data
  const tryAgain = async () => {
    await load()
    heading.current?.focus()
  }
  useEffect(() => void (document.title = `Order ${id}`), [id])
  return (
    <>
      <h1 tabIndex={-1} ref={heading}>
        Order {id}
      </h1>
      <p role="status">{answer ? '' : 'Läser …'}</p>
      {answer?.ok === false && (
        <FailureNotice failure={answer.failure} operation="read">
          <button onClick={tryAgain}>Försök igen</button>
        </FailureNotice>
      )}
      {order.current && <Content order={order.current} me={me} reload={load} />}
    </>
  )
}

interface ContentProps {
  order: Order
  me: Me
  reload: () => ReturnType<typeof readOrder>
}

function Content({ order, me, reload }: ContentProps) {
  return (
    <div class="columns">
      <div>
        <OrderDetails order={order} timeZone={me.timeZone} />
        {order.customer && <CustomerDetails customer={order.customer} isMasked={!me.scopes.includes('personal-data:read')} />}
        <Log messages={order.messages} timeZone={me.timeZone} />
      </div>
      <div>
        {me.scopes.includes('orders:write') ? (
          <>
            <ChangeStatus order={order} me={me} reload={reload} />
            <WriteMessage orderId={order.id} me={me} reload={reload} />
          </>
        ) : (
          <p class="notice">Den här klienten får läsa ordrar men inte ändra dem.</p>
        )}
      </div>
    </div>
  )
}

function OrderDetails({ order, timeZone }: { order: Order; timeZone: string }) {
  return (
    <section class="panel" aria-labelledby="order">
      <h2 id="order">Beställning</h2>
      <dl>
        <dt>Status</dt>
        <dd>
          <strong>{statusText(order.status)}</strong>
        </dd>
        <dt>Beställd</dt>
        <dd>
          <Time at={order.orderedAt} timeZone={timeZone} />
        </dd>
        <dt>Önskad leverans</dt>
        <dd>
          {order.deliverAsap ? 'Så snart som möjligt' : <Time at={order.requestedDeliveryAt} timeZone={timeZone} dateOnly />}
        </dd>
        <dt>Tjänst</dt>
        <dd>{order.service?.name ?? order.service?.id ?? '–'}</dd>
        <dt>Leverantör</dt>
        <dd>{order.provider?.name ?? order.provider?.id ?? '–'}</dd>
        <dt>Nät</dt>
        <dd>{order.network?.name ?? '–'}</dd>
        {order.details.map(({ name, value, monthlyFee }, index) => (
          <div key={index}>
            <dt>{name ?? 'Uppgift'}</dt>
            <dd>{[value, monthlyFee && `${monthlyFee} kr/månad`].filter(Boolean).join(', ') || '–'}</dd>
          </div>
        ))}
      </dl>
    </section>
  )
}

function Log({ messages, timeZone }: { messages: Message[]; timeZone: string }) {
  return (
    <section class="panel" aria-labelledby="log">
      <h2 id="log">Logg</h2>
      {messages.length === 0 ? (
        <p>Loggen är tom.</p>
      ) : (
        <ol class="log">
          {messages.map((message, index) => (
            <LogEntry key={index} message={message} timeZone={timeZone} />
          ))}
        </ol>
      )}
    </section>
  )
}

export function LogEntry({ message: { at, type, text }, timeZone }: { message: Message; timeZone: string }) {
  return (
    <li class={type}>
      <p class="small">
        <Time at={at} timeZone={timeZone} /> {messageTypeText(type)}
      </p>
      <p class="text">{text}</p>
    </li>
  )
}
