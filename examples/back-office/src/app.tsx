// The frame: who is signed in, which page the address names, and messages that wait for their outcome elsewhere.

import { useEffect, useState } from 'preact/hooks'

import { type Me, isProblem, onUnauthenticated, readMe } from './api'
import { FailureNotice } from './failure-notice'
import { useAnswer } from './hooks'
import { OrderListPage } from './order-list-page'
import { OrderPage } from './order-page'
import { orderUrl, parseRoute } from './route'
import { SignIn } from './sign-in'
import { apiKey, pendingMessages } from './storage'

export function App() {
  const [me, load] = useAnswer(readMe, [])
  // A key may be withdrawn while the page is open. `/me` then says so, and the form appears.
  useEffect(() => onUnauthenticated(load), [load])

  if (!me) return <main aria-busy="true" />
  if (me.ok) return <SignedIn me={me.data} signOut={() => (apiKey.remove(), location.reload())} />
  return (
    <main>
      {isProblem(me.failure, 'unauthenticated') ? (
        <SignIn wasRejected={apiKey.get() !== null} onKey={(key) => (apiKey.set(key), void load())} />
      ) : (
        <FailureNotice failure={me.failure} operation="read">
          <button onClick={load}>Försök igen</button>
        </FailureNotice>
      )}
    </main>
  )
}

function SignedIn({ me, signOut }: { me: Me; signOut: () => void }) {
  const route = parseRoute(useHash(), me.timeZone)
  const elsewhere = pendingMessages(me.client).filter(({ orderId }) => route.page === 'orders' || route.id !== orderId)
  return (
    <>
      <header>
        <a class="skip" href="#main" onClick={skipToMain}>
          Till innehållet
        </a>
        <nav aria-label="Sidor">
          <a href="#/">Ordrar</a>
        </nav>
        <p>
          Klient: <strong>{me.client}</strong> {apiKey.get() && <button onClick={signOut}>Logga ut</button>}
        </p>
      </header>
      <main id="main" tabIndex={-1}>
        {!me.scopes.includes('personal-data:read') && (
          <p class="notice">Personuppgifter är dolda eller maskerade (****) för den här klienten.</p>
        )}
        {elsewhere.map(({ orderId }) => (
          <p class="notice" key={orderId}>
            Ett meddelande väntar på besked: <a href={orderUrl(orderId)}>order {orderId}</a>
          </p>
        ))}
        {route.page === 'order' ? (
          <OrderPage key={route.id} id={route.id} me={me} />
        ) : (
          <OrderListPage query={route.query} timeZone={me.timeZone} />
        )}
      </main>
    </>
  )
}

/** The fragment is taken by the address of the page, so the link moves the focus itself. */
function skipToMain(event: Event) {
  event.preventDefault()
  document.getElementById('main')?.focus()
}

function useHash(): string {
  const [hash, setHash] = useState(location.hash)
  useEffect(() => {
    const update = () => setHash(location.hash)
    addEventListener('hashchange', update)
    return () => removeEventListener('hashchange', update)
  }, [])
  return hash
}
