/**
 * A value that is there, or will be. What is mostly in memory is given so: a promise, and the frame that waits for it,
 * cost more than the look-up.
 */
export type Awaitable<T> = T | Promise<T>

/** Goes on with a value: at once if it is there, else when it comes. An exception of `next` takes the same way. */
export function andThen<T, U>(value: Awaitable<T>, next: (value: T) => Awaitable<U>): Awaitable<U> {
  return value instanceof Promise ? value.then(next) : next(value)
}
