const PAIRS = {
  "은/는": ["은", "는"],
  "이/가": ["이", "가"],
  "을/를": ["을", "를"],
  "과/와": ["과", "와"],
  "으로/로": ["으로", "로"],
} as const;

export type Josa = keyof typeof PAIRS;

const FIRST = 0xac00;
const LAST = 0xd7a3;
const FINALS = 28;
const RIEUL = 8; // the final ㄹ, after which 로 stands
// How digits end when they are read in Korean: 영 일 이 삼 사 오 육 칠 팔 구.
const DIGIT_FINALS = [21, RIEUL, 0, 16, 0, 0, 1, RIEUL, RIEUL, 0];
// Letters of the Latin alphabet whose Korean names end in a consonant: 엘, 엠, 엔, 알.
const LETTER_FINALS: Record<string, number> = { l: RIEUL, m: 16, n: 4, r: RIEUL };

/** The word with the particle that fits how it ends; a mark or a bracket at its end is passed over. */
export function josa(word: string, particle: Josa): string {
  const [withFinal, without] = PAIRS[particle];
  const final = finalOf(word);
  if (particle === "으로/로" && final === RIEUL) return word + without;
  return word + (final === 0 ? without : withFinal);
}

/** The number of the final consonant of the last syllable that is heard; 0 for none. */
function finalOf(word: string): number {
  const heard = word.replace(/[^\p{L}\p{N}]+$/u, "");
  const last = heard.at(-1);
  if (last === undefined) return 0;
  const code = last.codePointAt(0) ?? 0;
  if (code >= FIRST && code <= LAST) return (code - FIRST) % FINALS;
  if (/[0-9]/.test(last)) return DIGIT_FINALS[Number(last)] ?? 0;
  return LETTER_FINALS[last.toLowerCase()] ?? 0;
}
