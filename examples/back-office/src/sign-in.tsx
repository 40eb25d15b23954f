import { useFocus } from './hooks'

/** What a header can contain. Characters that came with a copied key, and do not show, would make every request fail. */
const KEY_PATTERN = String.raw`\s*[\x21-\x7E]+\s*`

interface Props {
  wasRejected: boolean
  onKey: (key: string) => void
}

/** Asks for the API key. Only a gateway with authentication needs one. */
export function SignIn({ wasRejected, onKey }: Props) {
  const heading = useFocus<HTMLHeadingElement>()
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    const key = new FormData(event.currentTarget as HTMLFormElement).get('key')
    if (typeof key === 'string' && key.trim()) onKey(key.trim())
  }
  return (
    <form class="panel" onSubmit={submit}>
      <h1 tabIndex={-1} ref={heading}>
        Logga in
      </h1>
      <div role="alert">
        {wasRejected && <p class="notice bad">Nyckeln godtogs inte. Kontrollera den, eller be om en ny.</p>}
      </div>
      <label>
        API-nyckel
        <input
          name="key"
          type="password"
          autocomplete="off"
          required
          pattern={KEY_PATTERN}
          title="Bara bokstäver a–z, siffror och skiljetecken, utan mellanslag"
          aria-describedby="key-hint"
        />
      </label>
      <p id="key-hint" class="small">
        Nyckeln sparas i den här fliken tills den stängs, och skickas bara till tjänsten.
      </p>
      <button>Logga in</button>
    </form>
  )
}
