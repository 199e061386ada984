// Load for a server that is upgraded meanwhile: node load.js SOCKET RECIPIENT CLIENTS
//
// Writes "started" when mail flows. When standard input ends, it stops and writes what came of it as JSON.

import { once } from 'node:events';
import { Load } from '../support/load.ts';
import { until } from '../support/until.ts';

const [, , socket = '', recipient = '', clients = '1'] = process.argv;
const load = new Load(socket, recipient, Number(clients));
await until('mail flows', () => load.acknowledged > 0);
console.log('started');
process.stdin.resume();
await once(process.stdin, 'end');
console.log(JSON.stringify(await load.end()));
