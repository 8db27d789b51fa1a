# iptables-nft: nft shows its extensions as "xt", without their arguments
iptables -N KILL
iptables -A OUTPUT -o lo -j ACCEPT
iptables -A OUTPUT -m comment --comment "all the rest" -j KILL
iptables -A KILL -o wg0 -j RETURN
iptables -A KILL -j LOG --log-prefix "out: "
iptables -A KILL -p tcp --dport 3389 -j REJECT
iptables -A KILL -p tcp --dport 22 -m owner --uid-owner 1000 -j DROP
iptables -A KILL -p tcp --dport 443 -m mark --mark 0x1 -j DROP
iptables -A KILL -p tcp --dport 80 -j TRACE
ip6tables -A OUTPUT -p tcp --dport 3389 -j REJECT --reject-with tcp-reset
