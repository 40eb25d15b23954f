interface Props {
  at: string | undefined
  timeZone: string
  dateOnly?: boolean
}

/** A time by the upstream's clock, as its own users see it. */
export function Time({ at, timeZone, dateOnly = false }: Props) {
  if (!at) return <>–</>
  const format: Intl.DateTimeFormatOptions = dateOnly
    ? { dateStyle: 'short', timeZone }
    : { dateStyle: 'short', timeStyle: 'short', timeZone }
  return <time dateTime={at}>{new Date(at).toLocaleString('sv-SE', format)}</time>
}
