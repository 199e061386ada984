// Machines of a network that is a test's own: each has its network, its processes, its name and its mounts,
// and no file system of its own beside them. They are connected by a bridge, in a namespace as well, and this
// machine has an end of it. So a machine can be killed with all that runs on it, or be cut off.
//
// Each is held by one process, and goes when that ends. If the test process dies, a guard ends them.

import { randomInt } from 'node:crypto';
import { needs } from './peers.ts';
import { childPids } from './proc.ts';
import { type Ran, type Running, type RunOptions, run, type StartOptions, start } from './process.ts';
import { until } from './until.ts';

export const needsMachines = (...programs: readonly string[]) =>
  needs('root', 'unshare', 'nsenter', 'ip', ...programs);

const NAMESPACES = ['--mount', '--propagation', 'private', '--net', '--uts', '--pid'];
/** The first process there: it has to fetch the ends of those whose parents have gone. */
const HOLD = 'echo held; while :; do sleep 3600 & wait $!; done';

export interface Machine {
  /** 1 and up, which is the last part of its address. */
  readonly number: number;
  readonly address: string;
  /** As those of process.ts, on the machine and as root. */
  run(command: string, args: readonly string[], options?: RunOptions): Promise<Ran>;
  /** Runs a script to its end, which has to be a good one, and returns what it says. */
  sh(script: string): Promise<string>;
  /** What it starts is stopped, in the end, by SIGKILL. */
  start(command: string, args: readonly string[], options: StartOptions): Promise<Started>;
  /** Returns where a file of its mounts is seen from outside. */
  path(inside: string): string;
  /** Pulls its cable, or plugs it in again. */
  cable(isIn: boolean): Promise<void>;
  /** Ends every process on it by SIGKILL, and takes it off the network. */
  kill(): Promise<void>;
}

/** A program on a machine. */
export interface Started extends Running {
  /** Sends a signal to the program itself, and not to what has brought it there. */
  send(name: NodeJS.Signals): Promise<void>;
}

export class Network implements AsyncDisposable {
  readonly #part: number;
  readonly #bridge: Held;
  readonly #machines = new Map<number, Held>();

  private constructor(part: number, bridge: Held) {
    this.#part = part;
    this.#bridge = bridge;
  }

  static async open(): Promise<Network> {
    const part = randomInt(256); // of 198.18.0.0/15, which RFC 2544 keeps for tests
    const bridge = await hold('ip link add br0 type bridge && ip link set br0 up');
    const network = new Network(part, bridge);
    const [outer, pid] = [`sealdir${part}`, `${bridge.pid}`];
    await must('ip', 'link', 'add', outer, 'type', 'veth', 'peer', 'name', 'outer', 'netns', pid);
    await network.#onBridge('ip link set outer master br0 up');
    await must('ip', 'addr', 'add', `${network.address(254)}/24`, 'dev', outer);
    await must('ip', 'link', 'set', outer, 'up');
    return network;
  }

  address(number: number): string {
    return `198.18.${this.#part}.${number}`;
  }

  /** Starts a machine, or one that was killed again. `script` makes its mounts. */
  async start(number: number, script = ':'): Promise<Machine> {
    const name = `host${number}`;
    const held = await hold(`hostname ${name}; ip link set lo up; mount -t tmpfs tmpfs /run; ${script}`);
    this.#machines.set(number, held);
    const end = `v${number}`;
    await this.#onBridge(`ip link add ${end} type veth peer name eth0 netns ${held.pid}`);
    await this.#onBridge(`ip link set ${end} master br0 up`);
    const enter = (command: string, args: readonly string[]) => ['-t', `${held.pid}`, '-a', command, ...args];
    const machine: Machine = {
      number,
      address: this.address(number),
      run: (command, args, options) => run('nsenter', enter(command, args), options),
      async sh(script) {
        const { code, stdout, stderr } = await machine.run('sh', ['-ec', script]);
        if (code !== 0) throw new Error(`${name}: ${script}: exit ${code}: ${stdout}${stderr}`);
        return stdout.toString();
      },
      async start(command, args, options) {
        const running = await start('nsenter', enter(command, args), { graceMs: 1000, ...options });
        return { ...running, send: async (signal) => void process.kill(childOf(running.pid), signal) };
      },
      path: (inside) => `/proc/${held.pid}/root${inside}`,
      cable: (isIn) => this.#onBridge(`ip link set ${end} ${isIn ? 'up' : 'down'}`),
      kill: () => this.#kill(number),
    };
    await machine.sh(`ip addr add ${machine.address}/24 dev eth0; ip link set eth0 up`);
    return machine;
  }

  async #kill(number: number): Promise<void> {
    const held = this.#machines.get(number);
    this.#machines.delete(number);
    if (held === undefined) return;
    await held.kill();
    await until(`host${number} is off the network`, async () => {
      const { code } = await run('nsenter', [
        `--net=/proc/${this.#bridge.pid}/ns/net`,
        'ip',
        'link',
        'show',
        `v${number}`,
      ]);
      return code !== 0;
    });
  }

  async #onBridge(script: string): Promise<void> {
    await must('nsenter', '-t', `${this.#bridge.pid}`, '--net', 'sh', '-ec', script);
  }

  /** Ends all machines. */
  async close(): Promise<void> {
    for (const number of [...this.#machines.keys()]) await this.#kill(number);
    await this.#bridge.kill();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** The first process in namespaces of its own. */
interface Held {
  readonly pid: number;
  kill(): Promise<void>;
}

async function hold(script: string): Promise<Held> {
  const args = [...NAMESPACES, '--fork', '--kill-child', '--mount-proc', 'sh', '-ec', `${script}\n${HOLD}`];
  const running = await start('unshare', args, {
    ready: (output) => output.includes('held'),
    graceMs: 100, // its first process does not hear TERM
  });
  const pid = childOf(running.pid);
  return {
    pid,
    async kill() {
      process.kill(pid, 'SIGKILL'); // the kernel ends all others there with it
      await running.stop();
    },
  };
}

function childOf(pid: number): number {
  const [child] = childPids(pid);
  if (child === undefined) throw new Error(`${pid} has no child`);
  return child;
}

async function must(command: string, ...args: readonly string[]): Promise<void> {
  const { code, stderr } = await run(command, args);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`);
}
