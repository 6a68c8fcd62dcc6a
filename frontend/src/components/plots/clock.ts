const MINUTE = 60_000; // milliseconds

/** As much of a time of day, `14:09:06`, as marks of an axis that are so many milliseconds apart need to differ. */
export function clock(time: string, apart: number): string {
  return apart < MINUTE ? time : time.slice(0, 5);
}
