import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.locks.InterProcessReadWriteLock;
import org.apache.curator.framework.recipes.locks.Revoker;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.RetryForever;

/**
 * The Curator peer of the interop tests: see peer.h for what it is told and what it answers.
 *
 * Contenders are threads of one session, since Curator's locks belong to threads. A session that is
 * lost ends the process: the tests' sessions only end with a SIGKILL.
 */
public final class Peer {
    private static CuratorFramework client;

    private static synchronized void tell(String line) {
        System.out.println(line);
        System.out.flush();
    }

    private static final class Mutex extends InterProcessMutex {
        Mutex(String path) {
            super(client, path);
        }

        String node() {
            return getLockPath();
        }
    }

    private static final class Contender extends Thread {
        final BlockingQueue<String[]> orders = new LinkedBlockingQueue<>();
        final String name;
        volatile boolean stopped, keeps;
        String path;
        InterProcessMutex lock;
        InterProcessReadWriteLock pair;
        long czxid; // of its place; a downgrade keeps the place

        Contender(String name) {
            this.name = name;
            setDaemon(true);
            start();
        }

        long touch() throws Exception {
            return client.setData().forPath(path + "-clock", new byte[0]).getMzxid();
        }

        /** Told to subclasses only, and those of readers and writers are not ours to make. */
        String node() throws Exception {
            if (lock instanceof Mutex)
                return ((Mutex) lock).node();
            java.lang.reflect.Method told = lock.getClass().getDeclaredMethod("getLockPath");
            told.setAccessible(true);
            return (String) told.invoke(lock);
        }

        void granted(String kind) throws Exception {
            String node = node();
            long entered = touch();
            if (czxid == 0)
                czxid = client.checkExists().forPath(node).getCzxid();
            String others = String.join(",", client.getChildren().forPath(path));
            tell(name + " granted " + kind + " " + node.substring(path.length() + 1) + " " + czxid
                    + " " + entered + " " + others);
        }

        void choose(String kind, String path) {
            this.path = path;
            czxid = 0;
            if (kind.equals("mutex") || kind.equals("revocable")) {
                lock = new Mutex(path);
                if (kind.equals("revocable"))
                    lock.makeRevocable(asked -> tell(name + " asked"));
                return;
            }
            pair = new InterProcessReadWriteLock(client, path);
            lock = kind.equals("read") ? pair.readLock() : pair.writeLock();
        }

        void take(String kind, String path) throws Exception {
            choose(kind, path);
            lock.acquire();
            granted(kind);
        }

        void give() throws Exception {
            long left = touch();
            lock.release();
            tell(name + " released " + left);
        }

        void obey(String[] words) throws Exception {
            switch (words[1]) {
            case "take":
                take(words[2], words[3]);
                break;
            case "try":
                choose(words[2], words[3]);
                if (lock.acquire(0, TimeUnit.MILLISECONDS))
                    granted(words[2]);
                else
                    tell(name + " busy");
                break;
            case "give":
                give();
                break;
            case "downgrade":
                tell(name + " released " + touch());
                pair.readLock().acquire();
                lock.release();
                lock = pair.readLock();
                granted("read");
                break;
            case "revoke":
                Revoker.attemptRevoke(client, words[2]);
                tell(name + " revoked");
                break;
            case "turns":
                for (stopped = false; !stopped;) {
                    take(words[2], words[3]);
                    if (keeps) {
                        keeps = false;
                        tell(name + " keeps");
                        orders.take(); // "go"
                    }
                    give();
                }
                tell(name + " stopped");
                break;
            default:
                throw new IllegalArgumentException(words[1]);
            }
        }

        @Override
        public void run() {
            try {
                while (true)
                    obey(orders.take());
            } catch (Throwable error) { // the test prints the story
                tell(name + " failed " + error);
            }
        }
    }

    public static void main(String[] args) throws Exception {
        client = CuratorFrameworkFactory.newClient(args[0], Integer.parseInt(args[1]), 30000,
                new RetryForever(100));
        client.getConnectionStateListenable().addListener((which, state) -> {
            if (state == ConnectionState.LOST)
                Runtime.getRuntime().halt(3);
        });
        client.start();
        client.blockUntilConnected();
        tell("* ready");
        Map<String, Contender> contenders = new HashMap<>();
        BufferedReader orders = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = orders.readLine()) != null;) {
            String[] words = line.split(" ");
            Contender contender = contenders.computeIfAbsent(words[0], Contender::new);
            if (words[1].equals("stop"))
                contender.stopped = true;
            else if (words[1].equals("keep"))
                contender.keeps = true;
            else
                contender.orders.add(words);
        }
        client.close();
    }
}
