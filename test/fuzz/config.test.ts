// The example configuration with random changes: the result is settings, or errors that say where they are,
// and never an exception.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { givesSettingsOrErrors } from '../support/anysettings.ts';
import { fuzz } from '../support/fuzz.ts';
import { mutated } from '../support/mutate.ts';
import { repositoryRoot } from '../support/shared.ts';

const EXAMPLE = readFileSync(join(repositoryRoot(), 'config/sealdir.toml.example'), 'utf8');

test('any change of the example gives settings, or errors with their lines', (t) => {
  // The settings in the example are commented out. A short file has more of its changes where they matter.
  const settings = EXAMPLE.replace(/^# ?(?=[a-z_]+ = )/gm, '');
  const short = settings.replace(/^#.*\n/gm, '');
  return fuzz(t, {
    arbitrary: mutated([EXAMPLE, settings, short].map((text) => Buffer.from(text))),
    finds: [Buffer.from('')],
    check: (bytes) => givesSettingsOrErrors(bytes.toString('utf8')),
  });
});
