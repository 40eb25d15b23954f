import { useCallback, useEffect, useRef, useState } from 'preact/hooks'

import type { Answer } from './api'

/**
 * The answer to a request, and a function that makes it again. The answer stays until the next one arrives, unless the
 * dependencies have changed: then it belongs to something else.
 */
export function useAnswer<T>(request: () => Promise<Answer<T>>, dependencies: unknown[]) {
  const [answer, setAnswer] = useState<Answer<T>>()
  const latest = useRef(0)
  const load = useCallback(async () => {
    const number = ++latest.current
    const arrived = await request()
    // An answer that a newer request has overtaken must not replace the newer one.
    if (number === latest.current) setAnswer(arrived)
    return arrived
  }, dependencies)
  useEffect(() => {
    setAnswer(undefined)
    void load()
    return () => void latest.current++
  }, [load])
  return [answer, load] as const
}

/** For an element that gets the focus when it appears: the keyboard and a screen reader go on from there. */
export function useFocus<E extends HTMLElement>() {
  const element = useRef<E>(null)
  useEffect(() => element.current?.focus(), [])
  return element
}

/** The seconds that are left until a time in milliseconds. */
export function useCountdown(until: number): number {
  const [now, setNow] = useState(Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000)
    return () => clearInterval(timer)
  }, [until])
  return Math.max(0, Math.ceil((until - now) / 1000))
}
