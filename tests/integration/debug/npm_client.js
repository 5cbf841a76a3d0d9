// Drives npm's @vscode/debugadapter-testsupport: one JSON line per request on stdin, responses and events on stdout.
const { DebugClient } = require(process.argv[2] + '/node_modules/@vscode/debugadapter-testsupport');
const readline = require('readline');

const client = new DebugClient('node', '', 'debugpy');
const say = (line) => process.stdout.write(JSON.stringify(line) + '\n');
const emit = client.emit.bind(client);
client.emit = (name, event) => { say({ event: name, body: event && event.body }); return emit(name, event); };

client.start(Number(process.argv[3])).then(() => {
  client._socket.on('close', () => { say({ event: 'closed', body: {} }); });
  client._socket.on('error', () => {});
  say({ event: 'connected', body: {} });
  readline.createInterface({ input: process.stdin }).on('line', (line) => {
    const { id, command, args } = JSON.parse(line);
    client.send(command, args)
      .then((response) => say({ id, body: response.body || {} }))
      .catch((error) => say({ id, error: error.message }));
  }).on('close', () => process.exit(0));
});
