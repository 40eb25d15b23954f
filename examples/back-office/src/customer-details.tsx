import type { Order } from './api'

interface Props {
  customer: NonNullable<Order['customer']>
  /** Whether the client lacks `personal-data:read`. */
  isMasked: boolean
}

export function CustomerDetails({ customer, isMasked }: Props) {
  const rows: [string, string | undefined, isPersonal?: boolean][] = [
    ['Namn', [customer.firstName, customer.lastName].filter(Boolean).join(' ')],
    ['Personnummer', customer.personalIdentityNumber, true],
    ['E-post', customer.email, true],
    ['Telefon', customer.phone, true],
    ['Adress', customer.address, true],
    ['Ort', [customer.postalCode, customer.city].filter(Boolean).join(' ')],
    ['Lägenhet i nätet', customer.premise, true],
    ['Anslutning', customer.accessId],
    ['Kundens meddelande', customer.message, true],
  ]
  return (
    <section class="panel" aria-labelledby="customer">
      <h2 id="customer">Kund {customer.id}</h2>
      <dl>
        {rows.map(([name, value, isPersonal = false]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>
              <Value value={value} isHidden={isPersonal && isMasked} />
            </dd>
          </div>
        ))}
      </dl>
    </section>
  )
}

/** Absent means unknown, or hidden from this client: without the permission the page cannot tell which. */
function Value({ value, isHidden }: { value: string | undefined; isHidden: boolean }) {
  if (isHidden) {
    return (
      <>
        {value} <span class="badge">{value ? 'maskerat' : 'dolt eller okänt'}</span>
      </>
    )
  }
  return <>{value || '–'}</>
}
