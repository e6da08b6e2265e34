-- The inventory: hosts, what they have, what was asked of them, and what was done to them.

CREATE TABLE hosts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uuid uuid NOT NULL UNIQUE,
    name text NOT NULL,
    address text,
    hostname text,
    first_seen timestamptz NOT NULL DEFAULT now(),
    synced_at timestamptz
);
COMMENT ON TABLE hosts IS 'Hypervisors, known by the UUID that libvirt gives them';
COMMENT ON COLUMN hosts.name IS 'Name in the Ansible inventory under which it was reached last';
COMMENT ON COLUMN hosts.address IS 'Address under which Ansible reached it last';
COMMENT ON COLUMN hosts.hostname IS 'Name it has for itself';
COMMENT ON COLUMN hosts.synced_at IS 'When all it has was last taken in';

CREATE TABLE host_names (
    name text PRIMARY KEY,
    host_id bigint NOT NULL REFERENCES hosts ON DELETE CASCADE
);
COMMENT ON TABLE host_names IS 'Every name in an Ansible inventory that a hypervisor was reached by';

CREATE TABLE storages (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    identity text NOT NULL UNIQUE,
    name text NOT NULL,
    type text NOT NULL,
    server text,
    export text,
    description text,
    labels jsonb NOT NULL DEFAULT '{}',
    capacity bigint,
    allocation bigint,
    available bigint,
    measured_at timestamptz
);
COMMENT ON TABLE storages IS 'Places for volumes; an NFS export is one storage, however many hosts have it';
COMMENT ON COLUMN storages.identity IS 'nfs://server/export, or pool:UUID for a storage of one host';
COMMENT ON COLUMN storages.capacity IS 'Bytes, as allocation and available';

CREATE TABLE host_storages (
    host_id bigint NOT NULL REFERENCES hosts ON DELETE CASCADE,
    storage_id bigint NOT NULL REFERENCES storages ON DELETE CASCADE,
    name text NOT NULL,
    state text,
    path text,
    autostart boolean,
    asked jsonb,
    recorded jsonb NOT NULL,
    asked_at timestamptz,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (host_id, name)
);
CREATE INDEX ON host_storages (storage_id);
COMMENT ON TABLE host_storages IS 'The storages as each host has them: libvirt pools';
COMMENT ON COLUMN host_storages.asked IS 'Options of the task that asked for it last, without secrets';
COMMENT ON COLUMN host_storages.recorded IS 'What the host had when it was recorded last';

CREATE TABLE volumes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    storage_id bigint NOT NULL REFERENCES storages ON DELETE CASCADE,
    name text NOT NULL,
    format text,
    size bigint,
    backing text,
    source text,
    description text,
    labels jsonb NOT NULL DEFAULT '{}',
    asked jsonb,
    recorded jsonb NOT NULL,
    asked_at timestamptz,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (storage_id, name)
);
COMMENT ON TABLE volumes IS 'Disks in storages';
COMMENT ON COLUMN volumes.size IS 'Virtual size in bytes';
COMMENT ON COLUMN volumes.backing IS 'File it is an overlay of';

CREATE TABLE images (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    storage_id bigint NOT NULL REFERENCES storages ON DELETE CASCADE,
    name text NOT NULL,
    format text,
    size bigint,
    source text,
    checksum text,
    description text,
    labels jsonb NOT NULL DEFAULT '{}',
    asked jsonb,
    recorded jsonb NOT NULL,
    asked_at timestamptz,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (storage_id, name)
);
COMMENT ON TABLE images IS 'What disks are made from';

CREATE TABLE vms (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uuid uuid NOT NULL,
    host_id bigint NOT NULL REFERENCES hosts ON DELETE CASCADE,
    name text NOT NULL,
    state text NOT NULL,
    cpus integer,
    memory bigint,
    autostart boolean,
    description text,
    labels jsonb NOT NULL DEFAULT '{}',
    addresses jsonb NOT NULL DEFAULT '[]',
    asked jsonb,
    recorded jsonb NOT NULL,
    asked_at timestamptz,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (host_id, uuid)
);
CREATE INDEX ON vms (host_id, name);
CREATE INDEX ON vms (name);
COMMENT ON TABLE vms IS 'Virtual machines, known by the host that has them and the UUID that libvirt there knows them by';
COMMENT ON COLUMN vms.memory IS 'Bytes';
COMMENT ON COLUMN vms.addresses IS 'Addresses that were known when it was synced last';

CREATE TABLE disks (
    vm_id bigint NOT NULL REFERENCES vms ON DELETE CASCADE,
    name text NOT NULL,
    device text,
    target text,
    bus text,
    path text,
    storage_id bigint REFERENCES storages ON DELETE SET NULL,
    PRIMARY KEY (vm_id, name)
);
CREATE INDEX ON disks (storage_id);
COMMENT ON TABLE disks IS 'Disks and cdroms of virtual machines, with the file or device that is in them';

CREATE TABLE interfaces (
    vm_id bigint NOT NULL REFERENCES vms ON DELETE CASCADE,
    name text NOT NULL,
    mac macaddr,
    type text,
    source text,
    model text,
    PRIMARY KEY (vm_id, name)
);
CREATE INDEX ON interfaces (mac);
COMMENT ON TABLE interfaces IS 'Network interfaces of virtual machines';
COMMENT ON COLUMN interfaces.source IS 'Network, bridge or device of the host it is on';

CREATE TABLE operations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    status text NOT NULL DEFAULT 'started'
        CHECK (status IN ('started', 'changed', 'unchanged', 'failed', 'unreachable', 'unknown')),
    started_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    host_id bigint REFERENCES hosts ON DELETE SET NULL,
    host_name text NOT NULL,
    module text NOT NULL,
    kind text NOT NULL,
    names text[] NOT NULL,
    arguments jsonb,
    changed text[] NOT NULL DEFAULT '{}',
    message text,
    controller text NOT NULL,
    controller_user text NOT NULL,
    play text,
    task text,
    job text,
    session integer NOT NULL DEFAULT pg_backend_pid()
);
CREATE INDEX ON operations (started_at);
CREATE INDEX ON operations (host_name) WHERE status = 'started';
COMMENT ON TABLE operations IS 'The journal: one row for each call of a writing module, made before the host is touched';
COMMENT ON COLUMN operations.status IS 'started until its end is known; unknown where its end was never seen';
COMMENT ON COLUMN operations.names IS 'What it was about';
COMMENT ON COLUMN operations.changed IS 'Which of them it changed';
COMMENT ON COLUMN operations.arguments IS 'Arguments of the module, without secrets';
COMMENT ON COLUMN operations.job IS 'Number of the AWX or Tower job';
COMMENT ON COLUMN operations.session IS 'Process of the database server that holds its locks while it runs';

CREATE TABLE samples (
    storage_id bigint NOT NULL REFERENCES storages ON DELETE CASCADE,
    taken_at timestamptz NOT NULL DEFAULT now(),
    capacity bigint NOT NULL,
    allocation bigint NOT NULL,
    available bigint NOT NULL,
    PRIMARY KEY (storage_id, taken_at)
);
COMMENT ON TABLE samples IS 'Bytes of storages over time';

CREATE VIEW vm_overview AS
    SELECT vms.name, hosts.name AS host, vms.state, vms.cpus, vms.memory, vms.autostart, vms.addresses ->> 0 AS address,
        (SELECT count(*) FROM disks WHERE disks.vm_id = vms.id AND disks.device = 'disk') AS disks,
        vms.labels, vms.description, vms.uuid, vms.recorded_at
    FROM vms JOIN hosts ON hosts.id = vms.host_id;
COMMENT ON VIEW vm_overview IS 'Virtual machines and where they are';

CREATE VIEW storage_usage AS
    SELECT storages.name, storages.type, storages.identity, storages.capacity, storages.allocation, storages.available,
        round(100.0 * storages.allocation / nullif(storages.capacity, 0), 1) AS percent,
        (SELECT array_agg(hosts.name ORDER BY hosts.name) FROM host_storages JOIN hosts ON hosts.id = host_storages.host_id
            WHERE host_storages.storage_id = storages.id) AS hosts,
        (SELECT count(*) FROM volumes WHERE volumes.storage_id = storages.id) AS volumes,
        (SELECT count(*) FROM images WHERE images.storage_id = storages.id) AS images,
        (SELECT count(DISTINCT disks.vm_id) FROM disks WHERE disks.storage_id = storages.id) AS vms, storages.measured_at
    FROM storages;
COMMENT ON VIEW storage_usage IS 'How full storages are, and what is in them';

CREATE VIEW recent_operations AS
    SELECT id, started_at, ended_at - started_at AS took, host_name AS host, module, status, names, changed, message, controller_user, play, job
    FROM operations ORDER BY id DESC LIMIT 1000;
COMMENT ON VIEW recent_operations IS 'The last thousand entries of the journal, newest first';
