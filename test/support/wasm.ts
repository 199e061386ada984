// Assembles src/openpgp/armor.wat into the text of src/openpgp/armorwasm.ts.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import wabt from 'wabt';
import { repositoryRoot } from './shared.ts';

export async function armorWasm(): Promise<string> {
  const { parseWat } = await wabt();
  const source = readFileSync(join(repositoryRoot(), 'src/openpgp/armor.wat'), 'utf8');
  const module = parseWat('armor.wat', source, { simd: true });
  const binary = Buffer.from(module.toBinary({}).buffer).toString('base64');
  module.destroy();
  return `/** armor.wat, assembled by "npm run documents". */\nexport const ARMOR_WASM =\n  '${binary}';\n`;
}
