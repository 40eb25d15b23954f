// The list of orders: filters, one page of results, and the link to the next page.

import { useEffect, useRef } from 'preact/hooks'

import { type OrderList, type OrderQuery, listOrders } from './api'
import { FailureNotice } from './failure-notice'
import { useAnswer, useFocus } from './hooks'
import { orderUrl, ordersUrl } from './route'
import { STATUSES, entries, statusText } from './text'
import { Time } from './time'

interface Props {
  query: OrderQuery
  timeZone: string
}

export function OrderListPage({ query, timeZone }: Props) {
  const heading = useFocus<HTMLHeadingElement>()
  const { cursor: _, ...filters } = query
  useEffect(() => void (document.title = 'Ordrar'), [])
  return (
    <>
      <h1 tabIndex={-1} ref={heading}>
        Ordrar
      </h1>
      {/* A new form for other filters: after Back it has to show those. */}
      <Filters key={ordersUrl(filters)} query={query} />
      <Results query={query} timeZone={timeZone} />
    </>
  )
}

function Filters({ query }: { query: OrderQuery }) {
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget as HTMLFormElement)
    const text = (name: string) => String(form.get(name) ?? '').trim()
    location.hash = ordersUrl({ since: text('since'), status: form.getAll('status').map(String), type: text('type') })
  }
  return (
    <form class="panel filters" aria-label="Filter" onSubmit={submit}>
      <label>
        Beställda från och med
        <input name="since" type="date" required defaultValue={query.since.slice(0, 10)} />
      </label>
      <fieldset>
        <legend>Status (ingen vald: alla)</legend>
        {entries(STATUSES).map(([status, text]) => (
          <label key={status} class="choice">
            <input type="checkbox" name="status" value={status} defaultChecked={query.status?.includes(status)} />
            {text}
          </label>
        ))}
      </fieldset>
      <label>
        Typ
        {/* Free text with suggestions: other types may come. */}
        <input name="type" list="order-types" placeholder="alla" defaultValue={query.type} />
      </label>
      <datalist id="order-types">
        <option value="order" />
      </datalist>
      <button>Visa</button>
    </form>
  )
}

function Results({ query, timeZone }: Props) {
  const { cursor, ...filters } = query
  const url = ordersUrl(query)
  const [list, load] = useAnswer(() => listOrders(query), [url])
  const heading = useFocusWhenChanged<HTMLHeadingElement>(url)
  const tryAgain = async () => {
    await load()
    heading.current?.focus()
  }
  return (
    <section aria-labelledby="results">
      <h2 id="results" tabIndex={-1} ref={heading}>
        Träffar
      </h2>
      <p role="status">{list ? summary(list.ok ? list.data : undefined) : 'Läser …'}</p>
      {list?.ok === false && (
        <FailureNotice failure={list.failure} operation="read">
          <button onClick={tryAgain}>Försök igen</button>
        </FailureNotice>
      )}
      {list?.ok && (
        <>
          {list.data.items.length > 0 && <Table list={list.data} timeZone={timeZone} />}
          <Unreadable list={list.data} />
          <nav class="pages" aria-label="Resultatsidor">
            {cursor && <a href={ordersUrl(filters)}>Första sidan</a>}
            {list.data.nextCursor && <a href={ordersUrl({ ...filters, cursor: list.data.nextCursor })}>Nästa sida</a>}
          </nav>
        </>
      )}
    </section>
  )
}

/** Only what lists contain. `expand=detail` would add names, at the cost of one upstream call for each order. */
function Table({ list, timeZone }: { list: OrderList; timeZone: string }) {
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">Order</th>
          <th scope="col">Status</th>
          <th scope="col">Beställd</th>
          <th scope="col" class="wide">
            Önskad leverans
          </th>
          <th scope="col" class="wide">
            Typ
          </th>
        </tr>
      </thead>
      <tbody>
        {list.items.map((order) => (
          <tr key={order.id}>
            <th scope="row">
              <a href={orderUrl(order.id)}>{order.id}</a>
            </th>
            <td>{statusText(order.status)}</td>
            <td>
              <Time at={order.orderedAt} timeZone={timeZone} />
            </td>
            <td class="wide">
              {order.deliverAsap ? (
                'Så snart som möjligt'
              ) : (
                <Time at={order.requestedDeliveryAt} timeZone={timeZone} dateOnly />
              )}
            </td>
            <td class="wide">{order.type ?? '–'}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

/** Orders that the gateway could not decode. They exist: a list without them would look complete. */
function Unreadable({ list }: { list: OrderList }) {
  if (!list.unreadable) return null
  return (
    <div class="notice bad">
      <p>Dessa ordrar kunde inte läsas:</p>
      <ul>
        {list.unreadable.map(({ position, id, detail }) => (
          <li key={position}>
            {id ? `Order ${id}` : `Nummer ${position} i listan`}: <span lang="en">{detail}</span>
          </li>
        ))}
      </ul>
    </div>
  )
}

function summary(list: OrderList | undefined): string {
  if (!list) return 'Listan kunde inte läsas.'
  const more = list.nextCursor ? ' Det finns fler.' : ''
  const count = list.items.length
  return count === 0 ? 'Inga ordrar.' : `${count === 1 ? '1 order' : `${count} ordrar`} på sidan.${more}`
}

/** For a heading that gets the focus when a new page of results replaces the old one, and not at first. */
function useFocusWhenChanged<E extends HTMLElement>(value: string) {
  const element = useRef<E>(null)
  const previous = useRef(value)
  useEffect(() => {
    if (previous.current !== value) element.current?.focus()
    previous.current = value
  }, [value])
  return element
}
