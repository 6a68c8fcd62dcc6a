/** An English noun with its number, which is written already: `1 tool`, `2 tools`. */
export function counted(number: string, noun: string) {
  return number === "1" ? `1 ${noun}` : `${number} ${noun}s`;
}
