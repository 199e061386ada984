// A keeper that is killed right before its nth call on a file or mailbox: `node crashing.js DIRECTORY N`. If
// there are fewer, it ends when it is done, and prints the names of all its calls.

import { Keeping } from '../support/keeping.ts';

const [directory = '', n = ''] = process.argv.slice(2);
const steps: string[] = [];
const keeping = Keeping.at(directory, {}, (name) => {
  if (steps.push(name) === Number(n)) process.kill(process.pid, 'SIGKILL');
});
await keeping.round();
keeping.close();
console.log(JSON.stringify(steps));
