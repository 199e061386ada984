// What operators are told about keys, held to the words of operators: nothing of a library's vocabulary, no
// fragments of code, and something to do.

import assert from 'node:assert/strict';

const LIBRARY =
  /config\b|OpenPGP\.js|packet|pars(?:e|ing)|malformed|misformed|subpacket|\bMPI\b|enum|armor text|self-certification|user certificate|primary user|digest|verif(?:y|ication) failed|stream|Error\b/i;
const CODE = /\bundefined\b|\bnull\b|NaN|Infinity|Invalid Date|\[object|=>|\$\{|\n/;
const TO_DO =
  /(?:: |; |, or )(?:its owner has to|ask its owner|export it|copy all|put the exported|remove |save it|set keys|check the clock|leave nothing|mend the link|in doubt)/;

/** Fails unless a sentence says in plain words what is wrong and what to do. */
export function assertPlain(sentence: string): void {
  assert.doesNotMatch(sentence, LIBRARY, sentence);
  assert.doesNotMatch(sentence, CODE, sentence);
  assert.match(sentence, TO_DO, sentence);
}
